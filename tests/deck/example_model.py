"""An example model for the tests of the views and the screenshot: every kind of row, made by hand."""

from __future__ import annotations

from typing import Any

from teamclaude.deck.model.model import (
    AccountRow,
    ActivityRow,
    DeckModel,
    IssueRow,
    NeedRow,
    Node,
    NodeCounts,
    ProxyInfo,
    QuotaBar,
    Totals,
    Tree,
    TreeLevel,
    TreeLine,
)
from teamclaude.deck.model.usage_sum import UsageSum
from teamclaude.request_views import AccountTrend
from teamclaude.snapshot import (
    AccountView,
    Activity,
    BindingView,
    CapacityView,
    NeedsYouView,
    SystemView,
)
from teamclaude.typed_json import from_json
from teamclaude.values import replace

NOW = 1_795_428_000.0
VIEW = [
    "type",
    "status",
    "status_reason",
    "usable",
    "bench_sec",
    "streak",
    "inflight",
    "last_resort",
    "used_elsewhere_per_hour",
    "quota_probe",
]
ALICE, BOB = "alice@example.com", "bob@example.com"


def spent(burn: int, cost: float | None = None, requests: int = 10) -> UsageSum:
    """Half of the burn was written to a cache; ten times as much was read from one."""
    dollars = burn / 1e5 if cost is None else cost
    return UsageSum(11 * burn, dollars, 0, requests, burn=burn, written=burn // 2)


def node(key: str, label: str, tokens: int = 1000, **fields: Any) -> Node:
    session, _, agent = key.partition("/")
    bound = {key: fields.pop(key) for key in ("model", "warm", "pinned") if key in fields}
    settings = {
        "emoji": "🦜",
        "account": "alice@example.com",
        "project": "shop",
        "branch": "main",
        "usage": spent(tokens),
        "binding": BindingView(**{"model": "claude-opus-4-8", **bound}),
        **fields,
    }
    return Node(key, session, agent, label=label, **settings)


def account(name: str, nodes: tuple[str, ...] = (), used: float = 0.5, **fields: Any) -> AccountRow:
    bars = (
        QuotaBar("5h", "Ses", used, 9000.0, "on"),
        QuotaBar("7d", "Wk", 0.31, 273_600.0, "behind"),
    )
    settings = {
        "status": "active",
        "bars": bars,
        "nodes": nodes,
        "live": len(nodes),
        "usage": spent(58_000),
    }
    return bare_account(name, **{**settings, **fields})


def bare_account(name: str, **fields: Any) -> AccountRow:
    """An account of which nothing else is known; the fields of `VIEW` are set in its view."""
    view = AccountView(name, **{key: value for key, value in fields.items() if key in VIEW})
    return AccountRow(view, **{key: value for key, value in fields.items() if key not in VIEW})


NODES = [
    node("11aa", "ENG-1", 10_000, role="lead", emoji="🐙", issue="ENG-1", title="Checkout v2", chip="work",
         live=True, inference=True, warm=True, in_tree=True, about="plan the move to the new checkout"),
    node("22bb", "ENG-2", 8_000, role="lead", parent="11aa", emoji="🦊", issue="ENG-2", chip="review",
         needs_you=True, in_tree=True, about="Cart totals are off by one cent", idle=240.0, account=BOB),
    node("33cc", "ENG-3", 21_000, role="worker", parent="22bb", emoji="🐝", issue="ENG-3", chip="work",
         live=True, tool_running=True, in_tree=True, about="Port the rounding tests", warm=True),
    node("33cc/a1", "Explore: where is rounding done", 6_000, role="worker", parent="33cc", emoji="🐝",
         live=True, inference=True, in_tree=True, model="claude-sonnet-4-9"),
    node("44dd", "ENG-4", 13_000, role="worker", parent="11aa", emoji="🐳", issue="ENG-4", chip="block",
         needs_you=True, in_tree=True, idle=610.0, about="Payment provider sandbox is down", account="carol"),
    node("55ee", "Fix the login redirect loop", 1_200_000, emoji="🦉", live=True, inference=True, warm=True,
         about="it still loops when the cookie is gone, look at the middleware", project="website",
         branch="fix/login"),
    node("66ff", "ENG-9", 300, emoji="🐢", issue="ENG-9", chip="todo", collision=True, idle=61.0,
         about="Dark mode for the settings page", account=BOB),
    node("77aa", "漢字のタイトル 👨‍👩‍👧 家族", 48_000, emoji="🦀", idle=1500.0, pinned=True, account=BOB),
    node("88bb", "88bb0000", 0, emoji="🦬", account="", usage=UsageSum(), model="", project="", branch=""),
]  # fmt: skip

TREE = Tree(
    lines=(
        TreeLine("11aa", 0, (), 5, spent(58_000)),
        TreeLine("22bb", 1, (True,), 3, spent(35_000)),
        TreeLine("33cc", 2, (True, False), 2, spent(27_000)),
        TreeLine("33cc/a1", 3, (True, False, False), 1, spent(6_000)),
        TreeLine("44dd", 1, (False,), 1, spent(13_000)),
    ),
    levels=(
        TreeLevel(0, 1, spent(10_000)),
        TreeLevel(1, 2, spent(21_000)),
        TreeLevel(2, 1, spent(21_000)),
        TreeLevel(3, 1, spent(6_000)),
    ),
    usage=spent(58_000),
)  # fmt: skip


def request(number: int, **fields: Any) -> ActivityRow:
    running = bool(fields.pop("running", False))
    record = {
        "id": f"tc-{number:016x}",
        "at": (NOW - 10 * number) * 1000,
        "method": "POST",
        "path": "/v1/messages",
        "model": "claude-opus-4-8",
        "effort": "high",
        "session": "55ee",
        "accounts": ["alice@example.com"],
        "status": None if running else 200,
        "outcome": "" if running else "served",
        "inputTokens": 1200,
        "outputTokens": 8400,
        "cacheReadTokens": 120_000,
        "cacheWriteTokens": 3_100,
        "ttfbSec": 1.4,
        "reason": "kept: warm",
        **fields,
    }
    status = record["status"]
    style = "" if running else "good" if status == 200 else "warn" if status == 429 else "bad"
    return ActivityRow(from_json(Activity, record), running, 12.1 + number, style)


ACTIVITY = (
    request(1, running=True, inputTokens=None, outputTokens=None),
    request(2, running=True, session="33cc", agent="a1", model="claude-sonnet-4-9", accounts=[]),
    request(3),
    request(4, session="11aa", accounts=[ALICE, BOB], reason="failover"),
    request(5, status=429, outcome="held out", reason="all accounts are benched", accounts=[],
            session="99zz0000-1"),
    request(6, status=None, outcome="client gone", session="", path="/v1/messages/count_tokens"),
)  # fmt: skip


def example_model(**fields: Any) -> DeckModel:
    """Return four accounts, a tree of four levels, sessions without a tree, issues and requests."""
    by_account = {
        name: tuple(
            one.key for one in sorted(NODES, key=lambda one: -(one.usage.tokens or 0)) if one.account == name
        )
        for name in (ALICE, BOB, "carol", "paid")
    }
    bars = (
        QuotaBar("5h", "Ses", 0.93, 1500.0, "ahead", 900.0),
        QuotaBar("7d", "Wk", 0.78, 500_000.0, "ahead", 18_000.0),
        QuotaBar("7d_opus", "Opus", 0.64, 500_000.0, "on"),
    )
    accounts = (
        account(ALICE, by_account[ALICE], usage=spent(1_300_000), current=True, inflight=2,
                trend=AccountTrend(NOW, tuple(range(60)), tuple(n / 120 for n in range(60)))),
        account(BOB, by_account[BOB], 0.1, bars=bars, live=0, usage=spent(56_300)),
        account("carol", by_account["carol"], 1.0, status="benched", status_reason="429: 5h window is full",
                bench_sec=2520.0, streak=3, live=0, usage=spent(13_000)),
        bare_account("paid", type="apikey", status="auth_failed", status_reason="re-login needed",
                bars=(QuotaBar("tokens", "tokens"),), last_resort=True),
    )  # fmt: skip
    return replace(
        DeckModel(
            now=NOW,
            proxy=ProxyInfo(
                SystemView("0.1.0", port=3456, proxy_rss_mb=41.2, proxy_uptime_sec=11_520.0),
                CapacityView("green", 9, 3, 1, 3, soonest_reset_sec=42.0),
            ),
            totals=Totals(1, 1, 0.52, 0.12, NodeCounts(9, 3, 2, 4, 4, 4, 2, 3, 1, spent(1_306_500, 14.2))),
            nodes={one.key: one for one in NODES},
            trees=(TREE,),
            accounts=accounts,
            unassigned=("88bb",),
            issues=(
                IssueRow("ENG-3", "Port the rounding tests", ("🐝",), 1, spent(27_000, requests=40)),
                IssueRow("ENG-4", "Payment provider sandbox", ("🐳",), 1, spent(13_000, requests=12)),
                IssueRow("ENG-9", "Dark mode for the settings page", ("🐢", "🦬"), 2, spent(300, requests=2)),
            ),
            issues_total=IssueRow("", "", (), 4, spent(40_300, requests=54)),
            needs_you=(
                NeedRow(NeedsYouView("44dd", "", "ENG-4", "shop", "permission prompt"), 720.0, "🐳"),
                NeedRow(NeedsYouView("", "", "paid", "", "login needed")),
                NeedRow(NeedsYouView("22bb", "", "ENG-2", "shop", "in review"), 240.0, "🦊"),
            ),
            overdue=4,
            activity=ACTIVITY,
        ),
        **fields,
    )  # fmt: skip
