"""Every metric with its name, type, help and labels: the list that `teamclaude help metrics` prints.

Names follow Prometheus' conventions: base units (seconds, bytes, ratio) at the end, `_total` for counters,
points in time as `_timestamp_seconds`.  `process_*` and `python_*` are those of the client libraries.
"""

from __future__ import annotations

from collections.abc import Iterator

from .exposition import Family

__all__ = ["all_families"]

_ACCOUNT = ("account",)
_WINDOW = ("account", "window")


def _gauge(name: str, help: str, labels: tuple[str, ...] = (), unit: str = "") -> Family:
    return Family(name, "gauge", help, labels, unit)


def _time(name: str, help: str, labels: tuple[str, ...] = ()) -> Family:
    return Family(f"{name}_timestamp_seconds", "gauge", help, labels, "seconds")


def _counter(name: str, help: str, labels: tuple[str, ...] = (), unit: str = "") -> Family:
    return Family(name, "counter", help, labels, unit)


def _seconds(name: str, help: str, labels: tuple[str, ...] = ()) -> Family:
    return Family(f"{name}_seconds", "histogram", help, labels, "seconds")


# --- requests: since the start of the server ------------------------------------------------------

REQUESTS = _counter(
    "teamclaude_requests",
    "Finished requests by the account that was tried last and the class of the status sent to the client.",
    ("kind", "account", "model", "outcome", "code"),
)
RESPONSES = _counter(
    "teamclaude_upstream_responses",
    "Attempts on an account by the status of the API's answer, none without an answer.",
    ("account", "code"),
)
FAILOVERS = _counter(
    "teamclaude_failovers",
    "Attempts that were followed by one on another account; by the account left.",
    _ACCOUNT,
)
TOKENS = _counter("teamclaude_tokens", "Tokens used.", ("account", "model", "kind"), "tokens")
COST = _counter("teamclaude_cost_dollars", "Cost at list prices.", ("account", "model"), "dollars")
UNPRICED = _counter(
    "teamclaude_unpriced_tokens", "Tokens without a known price.", ("account", "model"), "tokens"
)
UNMEASURED = _counter(
    "teamclaude_unmeasured_requests",
    "Answered requests whose tokens could not be read.",
    ("account", "model"),
)
CLIENT_REQUESTS = _counter("teamclaude_client_requests", "Finished requests by client key.", ("client",))
CLIENT_REFUSED = _counter(
    "teamclaude_client_refused",
    "Requests refused by a limit of their client key: maxInflight, dailyTokens or share.",
    ("client", "limit"),
)
CLIENT_TOKENS = _counter(
    "teamclaude_client_tokens", "Tokens used by client key.", ("client", "kind"), "tokens"
)
CLIENT_COST = _counter("teamclaude_client_cost_dollars", "Cost by client key.", ("client",), "dollars")
TTFB = _seconds(
    "teamclaude_request_ttfb", "Time from a message's head to the first byte of its answer.", ("model",)
)
DURATION = _seconds(
    "teamclaude_request_duration", "Time from a message's head to the end of its answer.", ("model",)
)
WAIT = _seconds(
    "teamclaude_request_wait",
    "Waits of requests: held (no account), slot (all are busy), pause (between two attempts).",
    ("kind",),
)
EVENTS = _counter(
    "teamclaude_events", "Lines of the log about accounts, holds and tunnels, by kind.", ("kind",)
)

# --- client keys, at the time of the scrape -------------------------------------------------------

CLIENT_INFLIGHT = _gauge("teamclaude_client_inflight_requests", "Requests of a client that run.", ("client",))
CLIENT_TODAY = _gauge(
    "teamclaude_client_today_tokens",
    "Tokens that count against windows, since midnight.",
    ("client",),
    "tokens",
)
CLIENT_SHARE = _gauge(
    "teamclaude_client_window_used_ratio",
    "The part of what clients can use of all accounts' windows that a client with a share has used.",
    ("client", "window"),
    "ratio",
)

# --- the pool, at the time of the scrape ----------------------------------------------------------

BUILD = Family("teamclaude_build", "info", "The version that runs.", ("version", "policy"))
VERDICT = _gauge(
    "teamclaude_capacity_verdict", "1 for the verdict on the pool, 0 for the others.", ("verdict",)
)
HEADROOM = _gauge("teamclaude_headroom_conversations", "Conversations that can be started now.")
ACCOUNTS = _gauge("teamclaude_accounts", "Accounts of the pool, without paid keys of last resort.")
ACCOUNTS_LIVE = _gauge("teamclaude_accounts_live", "Accounts that can take new conversations.")
ACCOUNTS_BENCHED = _gauge("teamclaude_accounts_benched", "Accounts that get no work after a refusal.")
NEXT_USABLE = _time(
    "teamclaude_next_usable", "When an account becomes usable again; absent if none is waited for."
)
CONVERSATIONS = _gauge("teamclaude_conversations", "Conversations that the router knows.")
CONVERSATIONS_WARM = _gauge("teamclaude_conversations_warm", "Conversations whose prompt cache lives.")
SESSIONS = _gauge("teamclaude_sessions", "Sessions that the router knows.")
INFLIGHT = _gauge("teamclaude_inflight_requests", "Requests that run on an account.")
WAITING = _gauge("teamclaude_waiting_requests", "Requests in the wait queue, held ones among them.")
HELD = _gauge("teamclaude_held_requests", "Requests that no account can serve for now.")
HELD_LONGEST = _gauge(
    "teamclaude_held_longest_seconds", "How long the longest of them has been held.", (), "seconds"
)
NEEDS_YOU = _gauge("teamclaude_needs_you_conversations", "Conversations that wait for their person.")
NEEDS_YOU_SINCE = _time("teamclaude_needs_you_oldest", "Since when the first of them waits.")
POOL_EXHAUSTION = _time(
    "teamclaude_pool_exhaustion",
    "When no account will serve any more: in so many of 100 cases by then; absent if not foreseen.",
    ("percentile",),
)
POOL_CHANCE = _gauge("teamclaude_pool_exhaustion_chance_ratio", "The chance of that.", (), "ratio")

# --- each account ---------------------------------------------------------------------------------

ACCOUNT = Family("teamclaude_account", "info", "Type of an account.", ("account", "type", "last_resort"))
ACCOUNT_STATE = _gauge(
    "teamclaude_account_state", "1 for the state an account is in, 0 for the others.", ("account", "state")
)
ACCOUNT_USABLE = _gauge("teamclaude_account_usable", "Whether it would be given a request now.", _ACCOUNT)
ACCOUNT_LIVE = _gauge("teamclaude_account_live", "Whether it can take new conversations.", _ACCOUNT)
ACCOUNT_REACHABLE = _gauge(
    "teamclaude_account_api_reachable",
    "0 from a request that got no connection to its API until one is answered, else 1.",
    _ACCOUNT,
)
ACCOUNT_INFLIGHT = _gauge("teamclaude_account_inflight_requests", "Requests that run on it.", _ACCOUNT)
ACCOUNT_WARM = _gauge(
    "teamclaude_account_warm_conversations", "Conversations whose prompt cache lives there.", _ACCOUNT
)
ACCOUNT_STREAK = _gauge(
    "teamclaude_account_refusals_in_a_row", "Its refusals since it last served.", _ACCOUNT
)
ACCOUNT_BENCH_END = _time("teamclaude_account_bench_end", "The end of its bench, while it has one.", _ACCOUNT)
WINDOW_USED = _gauge(
    "teamclaude_account_window_used_ratio",
    "The used share of a quota window, above 1 beyond its limit.",
    _WINDOW,
    "ratio",
)
WINDOW_RESET = _time("teamclaude_account_window_reset", "When a quota window begins anew.", _WINDOW)
WINDOW_BURN = _gauge(
    "teamclaude_account_window_burn_tokens",
    "Tokens that count against the running window.",
    _WINDOW,
    "tokens",
)
WINDOW_CAP = _gauge(
    "teamclaude_account_window_cap_tokens", "Tokens that the window is estimated to allow.", _WINDOW, "tokens"
)
USED_ELSEWHERE = _gauge(
    "teamclaude_account_used_elsewhere_per_hour_ratio",
    "The share of its 5h window that others use in an hour; absent while it is little or unknown.",
    _ACCOUNT,
    "ratio",
)
WEEK_GAP = _gauge(
    "teamclaude_account_week_gap_ratio",
    "How far it is behind an even week; below 0 it is ahead.",
    _ACCOUNT,
    "ratio",
)
EXHAUSTION = _time(
    "teamclaude_account_exhaustion",
    "When a window is used up: in so many of 100 cases by then; absent if not before its reset.",
    ("account", "window", "percentile"),
)
EXHAUSTION_CHANCE = _gauge(
    "teamclaude_account_exhaustion_chance_ratio",
    "The chance that a window is used up before its reset.",
    _WINDOW,
    "ratio",
)
TOKEN_EXPIRY = _time(
    "teamclaude_account_token_expiry", "When its access token ends; it is renewed before.", _ACCOUNT
)
LOGIN_END = _time(
    "teamclaude_account_login_end", "When renewals end and a person has to log in again.", _ACCOUNT
)

# --- the service ----------------------------------------------------------------------------------

UP_SINCE = _gauge("teamclaude_uptime_seconds", "Since the start of the server.", (), "seconds")
DRAINING = _gauge("teamclaude_draining", "Whether the server is shutting down.")
CONNECTIONS = _gauge("teamclaude_connections", "Connections of clients.")
LOOP_TASKS = _gauge("teamclaude_event_loop_tasks", "Connections and streams that the event loop carries.")
UPSTREAM_IDLE = _gauge(
    "teamclaude_upstream_idle_connections", "Open connections to the API that wait for work."
)
BODY_BYTES = _gauge("teamclaude_body_memory_bytes", "Memory taken by bodies of requests.", (), "bytes")
TUNNELS = _gauge("teamclaude_tunnels", "Open tunnels to other hosts.")
VIEWERS = _gauge("teamclaude_page_viewers", "Pages that are open in browsers.")
RELOADS = _counter("teamclaude_config_reloads", "Reloads of the config file by their result.", ("result",))
RELOAD_OK = _gauge("teamclaude_config_last_reload_successful", "Whether the last reload succeeded.")
HISTORY_ON = _gauge("teamclaude_history_on", "Whether a history is kept.")
HISTORY_HEALTHY = _gauge("teamclaude_history_healthy", "Whether the history is written without a problem.")
HISTORY_BYTES = _gauge("teamclaude_history_bytes", "Size of the history file.", (), "bytes")
HISTORY_ROWS = _gauge("teamclaude_history_rows", "Rows of usage in the history, as counted last.")
HISTORY_SINCE = _time("teamclaude_history_oldest", "When the oldest usage in the history was.")
ALERT_EVENTS = _counter("teamclaude_alert_events", "Events that an alert waits for.", ("result",))
ALERT_DELIVERIES = _counter("teamclaude_alert_deliveries", "Programs run and URLs posted to.", ("result",))
RELOADED_AT = _time("teamclaude_config_last_reload_success", "When the config file was last taken over.")

# --- the process ----------------------------------------------------------------------------------

PROCESS_CPU = _counter("process_cpu_seconds", "Total user and system CPU time.", (), "seconds")
PROCESS_FDS = _gauge("process_open_fds", "Number of open file descriptors.")
PROCESS_MAX_FDS = _gauge("process_max_fds", "Maximum number of open file descriptors.")
PROCESS_VIRTUAL = _gauge("process_virtual_memory_bytes", "Virtual memory size.", (), "bytes")
PROCESS_RESIDENT = _gauge("process_resident_memory_bytes", "Resident memory size.", (), "bytes")
PROCESS_START = _gauge("process_start_time_seconds", "Start time of the process since 1970.", (), "seconds")
PROCESS_THREADS = _gauge("process_threads", "Number of threads.")
PYTHON = Family("python", "info", "The interpreter.", ("implementation", "version"))
GC_COLLECTIONS = _counter("python_gc_collections", "Runs of the garbage collector.", ("generation",))
GC_COLLECTED = _counter("python_gc_objects_collected", "Objects that it freed.", ("generation",))
GC_UNCOLLECTABLE = _counter(
    "python_gc_objects_uncollectable", "Objects that it could not free.", ("generation",)
)


def all_families() -> Iterator[Family]:
    """Yield every metric, in the order of this file."""
    return (value for value in globals().values() if isinstance(value, Family))
