"""The values that one frame of the Deck shows; the renderer only lays them out.

`build.deck_model` makes a `DeckModel` of the proxy's snapshot and of what was read on disk.  All values are
frozen; types with hundreds of instances are NamedTuples, which are made five times faster than dataclasses.
Texts are safe to print (those of `ActivityRow.request` are cleaned when drawn); None is unknown and never
shown as 0; durations are seconds at `DeckModel.now`, utilizations fractions.

A *node* is one conversation: a session, or a sub-agent of one.  `DeckModel.nodes` holds each one once; trees,
accounts and issues refer to it by its key (`session` or `session/agent`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from ...request_views import AccountTrend, ClientView
from ...snapshot import (
    AccountView,
    Activity,
    BindingView,
    CapacityView,
    ForecastView,
    HeldView,
    NeedsYouView,
    SystemView,
)
from ...values import NamedTuple, dataclass, field
from .usage_sum import UNKNOWN_USAGE, UsageSum, sum_usage

__all__ = [
    "AccountRow",
    "ActivityRow",
    "Alert",
    "DeckModel",
    "HeldRow",
    "IssueRow",
    "NeedRow",
    "Node",
    "NodeCounts",
    "ProxyInfo",
    "QuotaBar",
    "Totals",
    "Tree",
    "TreeLevel",
    "TreeLine",
]

NO_TREND = AccountTrend()
LEAD, WORKER, SOLO = "lead", "worker", "solo"
CHIPS = ("work", "todo", "queued", "block", "review", "done")


class Node(NamedTuple):
    """One shown conversation."""

    key: str
    session: str
    agent: str = ""  # empty for a session's main conversation
    parent: str = ""  # key of its shown parent; empty at a root
    account: str = ""  # name of the account that serves it; empty: none yet
    role: str = SOLO  # `lead` ☂ has shown children, `worker` ↳ has a parent, `solo` neither
    emoji: str = ""
    label: str = ""
    """Never empty: issue, else title, else the first 8 characters of the id; a sub-agent's description."""
    issue: str = ""  # of a sub-agent: its session's
    title: str = ""
    about: str = ""  # intent, title or last prompt in one line, unless `label` says the same
    project: str = ""  # name of the folder it works in
    branch: str = ""
    chip: str = ""  # one of `CHIPS`, `wait` (a prompt is to be answered in its terminal), or empty
    needs_you: bool = False  # blocked, in review, or waiting for an answer: the red mark ►
    collision: bool = False  # another shown session is pinned to the same issue: the yellow mark ◆
    tool_running: bool = False  # a tool is executing: ⚙
    inference: bool = False  # a model answers it: ~ (unless ⚙ is shown); a held request is none
    held_sec: Optional[float] = None  # seconds since its longest held request is held; None: none is
    waiting_for: str = ""  # what its request waits for, in words; empty: none waits
    live: bool = False  # active now or within the last LIVE_SEC
    idle: Optional[float] = None  # seconds since its last turn
    binding: BindingView = BindingView()  # what the proxy knows of it
    usage: UsageSum = UNKNOWN_USAGE  # its own, with that of its sub-agents that are no longer shown
    in_tree: bool = False  # shown in the Tree section, hence not under its account


class TreeLine(NamedTuple):
    """One node of a tree, in the order shown (parents before children)."""

    key: str
    depth: int  # 0 at the root
    more_below: tuple[bool, ...]
    """For each depth from 1 to this node's: whether a sibling follows below.  The last one chooses `├─` or
    `└─`, the others `│` or blank; the root has none."""
    size: int  # nodes of its subtree, itself included
    subtree_usage: UsageSum
    folded: int = 0  # nodes of idle sub-agents below it that have no line of their own


class TreeLevel(NamedTuple):
    """The sum of a tree's nodes at one depth."""

    depth: int
    nodes: int
    usage: UsageSum


@dataclass(frozen=True)
class Tree:
    """A shown lead without a shown parent, and all its descendants."""

    lines: tuple[TreeLine, ...]
    levels: tuple[TreeLevel, ...]
    usage: UsageSum

    @property
    def root(self) -> str:
        """Key of the lead at the top."""
        return self.lines[0].key

    @property
    def size(self) -> int:
        """Number of nodes."""
        return self.lines[0].size


@dataclass(frozen=True)
class QuotaBar:
    """One window of quota."""

    axis: str  # `5h`, `7d`, a model's (`7d_opus`) or a limit of an API key (`tokens`)
    label: str  # `Ses`, `Wk`, the model's name, or the axis
    used: Optional[float] = None
    reset_sec: Optional[float] = None  # seconds to its reset
    pace: str = ""  # `behind` ↑ its line (has room), `on` →, `ahead` ↓; empty: unknown
    full_sec: Optional[float] = None  # if `ahead`: seconds to 100 % at this pace


@dataclass(frozen=True)
class AccountRow:
    """One account with the nodes it serves."""

    view: AccountView  # as the snapshot has it
    current: bool = False  # served the last request
    pinned: bool = False  # all work is pinned to it
    bars: tuple[QuotaBar, ...] = ()
    nodes: tuple[str, ...] = ()
    """Keys of the nodes it serves, most burn first; those `in_tree` are shown there."""
    live: int = 0  # number of live ones among them
    usage: UsageSum = UNKNOWN_USAGE  # the sum of these nodes
    lifetime_usage: UsageSum = UNKNOWN_USAGE  # everything since the proxy's records begin
    trend: AccountTrend = NO_TREND

    @property
    def name(self) -> str:
        """Unique among the accounts."""
        return self.view.name

    @property
    def status(self) -> str:
        """`active`, `benched`, `auth_failed` (needs a login) or `disabled`."""
        return self.view.status


@dataclass(frozen=True)
class IssueRow:
    """One active issue, or the total of them (`name` empty)."""

    name: str
    title: str = ""
    emojis: tuple[str, ...] = ()  # of its sessions, most burn first
    sessions: int = 0
    usage: UsageSum = UNKNOWN_USAGE

    @property
    def burn_per_message(self) -> Optional[float]:
        """Burn per measured request; None when unknown."""
        used, messages = self.usage.burn, (self.usage.requests or 0) - self.usage.unmeasured
        return used / messages if used is not None and messages > 0 else None


class HeldRow(NamedTuple):
    """A request that no account can serve for now."""

    view: HeldView
    expected: str  # `alice back 23:22`, or what it waits for

    @property
    def node_key(self) -> str:
        """Key of the request's conversation."""
        return f"{self.view.session}/{self.view.agent}" if self.view.agent else self.view.session


class NeedRow(NamedTuple):
    """A session that waits for its person, or an account that needs a login."""

    view: NeedsYouView
    age_sec: Optional[float] = None  # since it waits; None: unknown
    emoji: str = ""

    @property
    def id(self) -> str:
        """Unique among the rows: the session, or the name of the account."""
        return self.view.session or self.view.label


class ActivityRow(NamedTuple):
    """One request of the activity section."""

    request: Activity
    running: bool = False
    elapsed_sec: Optional[float] = None  # seconds in flight, or the duration
    style: str = ""  # `good`, `warn` or `bad` by its status; empty while running
    waiting_for: str = ""  # what it waits for, in words; empty: nothing
    is_held: bool = False  # no account can serve it for now


@dataclass(frozen=True)
class ProxyInfo:
    """The proxy that is shown; texts are safe to print."""

    system: SystemView = field(default_factory=SystemView)
    capacity: CapacityView = field(default_factory=CapacityView)
    reachable: bool = True


@dataclass(frozen=True)
class NodeCounts:
    """Numbers of shown nodes: `agents` = `solo` + `leads` + `workers`."""

    agents: int = 0
    solo: int = 0
    leads: int = 0
    workers: int = 0
    warm: int = 0
    live: int = 0
    needs_you: int = 0  # rows of the list of that name
    inference: int = 0
    tools: int = 0
    usage: UsageSum = UNKNOWN_USAGE
    held: int = 0  # with a request that no account can serve for now


@dataclass(frozen=True)
class Totals:
    """The header's numbers about the accounts, the machine and all nodes."""

    throttled: int = 0  # accounts on the bench
    need_login: int = 0
    ram_share: Optional[float] = None
    cpu_share: Optional[float] = None  # used shares of this machine, 0 to 1
    counts: NodeCounts = NodeCounts()


@dataclass(frozen=True)
class Alert:
    """Something that needs the operator; two alerts about the same thing are equal."""

    kind: str  # `blocked`, `review`, `collision`, `login` or `pool red`
    subject: str = ""  # a session, an issue or an account


@dataclass(frozen=True)
class DeckModel:
    """Everything that one frame shows."""

    now: float  # the snapshot's time, epoch seconds; countdowns are measured from it
    proxy: ProxyInfo
    totals: Totals
    nodes: Mapping[str, Node]
    trees: tuple[Tree, ...] = ()  # most burn first
    accounts: tuple[AccountRow, ...] = ()  # most burn first
    unassigned: tuple[str, ...] = ()  # keys of the nodes of `no account yet`, most burn first
    issues: tuple[IssueRow, ...] = ()  # active ones, most burn first
    issues_total: IssueRow = IssueRow("")
    clients: tuple[ClientView, ...] = ()  # client keys, in the order they came first
    held: tuple[HeldRow, ...] = ()  # the longest held first
    needs_you: tuple[NeedRow, ...] = ()  # the most urgent reasons first, then the longest
    forecast: Optional[ForecastView] = None  # of the pool
    overdue: int = 0  # blocked or in review for so long that they are only counted
    obstacle: tuple[str, ...] = ()
    """Why nothing can go on for now, and until when, the most important part first; empty: things can."""
    activity: tuple[ActivityRow, ...] = ()  # in flight, then finished, each newest first
    alerts: frozenset[Alert] = frozenset()

    @property
    def tree_nodes(self) -> int:
        """Number of nodes in all trees."""
        return sum(tree.size for tree in self.trees)

    @property
    def tree_usage(self) -> UsageSum:
        """The sum of all trees."""
        return sum_usage(tree.usage for tree in self.trees)
