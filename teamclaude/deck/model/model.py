"""What one frame of the Deck shows, computed: the renderer only lays it out.

`deck_model(snapshot, sources)` (in `assembly`) builds a `DeckModel` from the JSON of the running proxy and
from what was read on disk.  Everything here is frozen (what there are hundreds of is a NamedTuple, which is
made five times as quickly) and as of `DeckModel.now`; every text is safe to print
and bounded; None is unknown and never shown as 0; durations are seconds, utilizations fractions.

A *node* is one conversation: a session, or a sub-agent of one.  It stands in `DeckModel.nodes` once, and
trees, accounts and issues name it by its key (`session` or `session/agent`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional

__all__ = [
    "AccountRow",
    "ActivityRow",
    "Alert",
    "DeckModel",
    "HeldRequest",
    "IssueRow",
    "Node",
    "NodeCounts",
    "PoolCapacity",
    "ProxyInfo",
    "QuotaBar",
    "Totals",
    "Tree",
    "TreeLevel",
    "TreeLine",
    "UsageSum",
]

LEAD, WORKER, SOLO = "lead", "worker", "solo"
CHIPS = ("work", "todo", "queued", "block", "review", "done")


class UsageSum(NamedTuple):
    """What something has used.

    `cost` is of the priced tokens alone; `unpriced` are the others.  Of `unmeasured` answers the tokens are
    unknown: what is shown is then a lower bound.
    """

    tokens: Optional[int] = None
    cost: Optional[float] = None
    unpriced: int = 0
    requests: Optional[int] = None
    unmeasured: int = 0
    estimated: bool = False
    """Some of the cost is by the price of another version of the model."""


UNKNOWN_USAGE = UsageSum()


class Node(NamedTuple):
    """One conversation that is shown."""

    key: str
    session: str
    agent: str = ""
    """Empty for a session's main conversation."""
    parent: str = ""
    """Key of the shown node it works for; empty at a root."""
    account: str = ""
    """Name of the account that serves it; empty: none yet."""
    role: str = SOLO
    """`lead` ☂ has shown children, `worker` ↳ works for somebody, `solo` neither."""
    emoji: str = ""
    label: str = ""
    """Short and never empty: issue, else title, else the first 8 of the id; a sub-agent's description."""
    issue: str = ""
    """A sub-agent has its session's."""
    title: str = ""
    about: str = ""
    """What it is about in one line (intent, title, last prompt) where `label` does not say so already."""
    project: str = ""
    """Name of the folder it works in."""
    branch: str = ""
    chip: str = ""
    """One of `CHIPS`, `wait` for a prompt the operator has to answer in its terminal, or empty."""
    needs_you: bool = False
    """Blocked, in review, or waiting for an answer: the red mark ►."""
    collision: bool = False
    """Another shown session is pinned to the same issue: the yellow mark ◆."""
    tool_running: bool = False
    """A tool is executing: ⚙."""
    inference: bool = False
    """A request is in flight: ~ (⚙ goes first)."""
    held_sec: Optional[float] = None
    """Seconds for which a request of it has been held; None: none is."""
    waiting_for: str = ""
    """What its request waits for, in words; empty while none waits."""
    live: bool = False
    """At work now, or was a moment ago."""
    warm: bool = False
    """Its prompt cache lives."""
    idle: Optional[float] = None
    """Seconds since its last turn."""
    model: str = ""
    pinned: bool = False
    usage: UsageSum = UNKNOWN_USAGE
    """Its own use, with that of its sub-agents that are shown no more."""
    in_tree: bool = False
    """Shown in the Tree section, so not under its account."""


class TreeLine(NamedTuple):
    """One node of a tree, in the order shown (parents before children)."""

    key: str
    depth: int
    """0 at the root."""
    more_below: tuple[bool, ...]
    """For each depth 1.. to this node's: whether more of that level follows below.  The last one chooses
    `├─` or `└─`, the ones before it `│` or nothing; the root has none."""
    size: int
    """Nodes of its subtree, itself included."""
    subtree_usage: UsageSum


class TreeLevel(NamedTuple):
    depth: int
    nodes: int
    usage: UsageSum


@dataclass(frozen=True)
class Tree:
    """A live lead without a live parent, and everybody below it."""

    lines: tuple[TreeLine, ...]
    levels: tuple[TreeLevel, ...]
    usage: UsageSum

    @property
    def root(self) -> str:
        return self.lines[0].key

    @property
    def size(self) -> int:
        return len(self.lines)


@dataclass(frozen=True)
class QuotaBar:
    """One window of quota."""

    axis: str
    """`5h`, `7d`, a model's (`7d_opus`) or a limit of an API key (`tokens`)."""
    label: str
    """`Ses`, `Wk`, the model's name, or the axis."""
    used: Optional[float] = None
    reset_sec: Optional[float] = None
    """Seconds to its reset."""
    pace: str = ""
    """`behind` ↑ its line: has room; `on` → it; `ahead` ↓ of it; empty: can't be told."""
    full_sec: Optional[float] = None
    """Only `ahead`: seconds to 100 % if it goes on like that."""


@dataclass(frozen=True)
class AccountRow:
    """One account with the nodes it serves."""

    name: str
    kind: str = "oauth"
    status: str = ""
    """`active`, `benched`, `auth_failed` (needs a login) or `disabled`."""
    reason: str = ""
    bench_sec: Optional[float] = None
    """Seconds to the end of its bench."""
    last_resort: bool = False
    current: bool = False
    """Served the last request."""
    pinned: bool = False
    """Everything is pinned to it."""
    inflight: int = 0
    streak: int = 0
    bars: tuple[QuotaBar, ...] = ()
    nodes: tuple[str, ...] = ()
    """Keys of all it serves, most tokens first; those `in_tree` are shown above."""
    live: int = 0
    """How many of them are live."""
    usage: UsageSum = UNKNOWN_USAGE
    """Of these nodes."""
    lifetime_usage: UsageSum = UNKNOWN_USAGE
    """Of everything since the proxy's records begin."""


@dataclass(frozen=True)
class IssueRow:
    """One active issue, or the total of them (`name` empty)."""

    name: str
    title: str = ""
    emojis: tuple[str, ...] = ()
    """Of its sessions, most tokens first."""
    sessions: int = 0
    usage: UsageSum = UNKNOWN_USAGE

    @property
    def tokens_per_message(self) -> Optional[float]:
        used, messages = self.usage.tokens, (self.usage.requests or 0) - self.usage.unmeasured
        return used / messages if used is not None and messages > 0 else None


class HeldRequest(NamedTuple):
    """A request that no account can serve for now."""

    request: str
    session: str
    agent: str
    model: str
    held_sec: float
    expected: str
    """`alice back 23:22`, or what it waits for."""

    @property
    def node_key(self) -> str:
        """Key of its conversation."""
        return f"{self.session}/{self.agent}" if self.agent else self.session


class ActivityRow(NamedTuple):
    """A request; `record` is the proxy's own (http.md 7), for `activity_line`."""

    id: str
    record: Mapping[str, Any]
    running: bool = False
    elapsed_sec: Optional[float] = None
    """Seconds under way, or it took."""
    style: str = ""
    """`good`, `warn` or `bad` by its status; empty while running."""
    waiting_for: str = ""
    """What it waits for, in words; empty while it does not."""


@dataclass(frozen=True)
class ProxyInfo:
    version: str = ""
    port: Optional[int] = None
    reachable: bool = True
    draining: bool = False


@dataclass(frozen=True)
class PoolCapacity:
    verdict: str = ""
    """`green`, `yellow`, `red`; empty: unknown."""
    headroom: Optional[int] = None
    live: Optional[int] = None
    total: Optional[int] = None
    benched: Optional[int] = None
    next_reset_sec: Optional[float] = None
    """Seconds to the soonest reset, when one is awaited."""


@dataclass(frozen=True)
class NodeCounts:
    """All shown nodes counted: `agents` = `solo` + `leads` + `workers`."""

    agents: int = 0
    solo: int = 0
    leads: int = 0
    workers: int = 0
    warm: int = 0
    live: int = 0
    needs_you: int = 0
    inference: int = 0
    tools: int = 0
    usage: UsageSum = UNKNOWN_USAGE


@dataclass(frozen=True)
class Totals:
    rss_mb: Optional[float] = None
    uptime_sec: Optional[float] = None
    throttled: int = 0
    """Accounts on the bench."""
    need_login: int = 0
    waiting: int = 0
    """Requests that wait for a slot, or have been held for no more than a moment."""
    ram_share: Optional[float] = None
    cpu_share: Optional[float] = None
    """Of this machine, fractions."""
    capacity: PoolCapacity = PoolCapacity()
    counts: NodeCounts = NodeCounts()
    held: int = 0
    """Requests that no account can serve for now."""


@dataclass(frozen=True)
class Alert:
    """Something that needs the operator; equal while it is the same one."""

    kind: str
    """`blocked`, `review`, `collision`, `login` or `pool red`."""
    subject: str = ""
    """Session, issue or account."""


@dataclass(frozen=True)
class DeckModel:
    now: float
    """The snapshot's time, epoch seconds: of all countdowns."""
    proxy: ProxyInfo
    totals: Totals
    nodes: Mapping[str, Node]
    trees: tuple[Tree, ...] = ()
    """Most tokens first."""
    accounts: tuple[AccountRow, ...] = ()
    """Most tokens first."""
    unassigned: tuple[str, ...] = ()
    """Keys of `no account yet`, most tokens first."""
    issues: tuple[IssueRow, ...] = ()
    """Active ones, most tokens first."""
    issues_total: IssueRow = IssueRow("")
    held: tuple[HeldRequest, ...] = ()
    """The longest first."""
    activity: tuple[ActivityRow, ...] = ()
    """In flight, then finished, each newest first."""
    alerts: frozenset[Alert] = frozenset()

    @property
    def tree_nodes(self) -> int:
        return sum(tree.size for tree in self.trees)

    @property
    def tree_usage(self) -> UsageSum:
        return sum_usage(tree.usage for tree in self.trees)


def sum_usage(tallies: Iterable[UsageSum]) -> UsageSum:
    """The sum of what is known; unknown only where nothing is known."""
    tokens: Optional[int] = None
    cost: Optional[float] = None
    requests: Optional[int] = None
    unpriced, unmeasured, estimated = 0, 0, False
    for tally in tallies:
        if tally.tokens is not None:
            tokens = tally.tokens + (tokens or 0)
        if tally.cost is not None:
            cost = tally.cost + (cost or 0.0)
        if tally.requests is not None:
            requests = tally.requests + (requests or 0)
        unpriced += tally.unpriced
        unmeasured += tally.unmeasured
        estimated = estimated or tally.estimated
    return UsageSum(tokens, cost, unpriced, requests, unmeasured, estimated)
