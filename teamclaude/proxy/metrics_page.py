"""The reply to GET /metrics: snapshot, counts of requests, the service and the process at this moment.

Imported at the first scrape.  Nothing here waits: the snapshot is the one that `status` gets, and the counts
are copied under a lock that is held for microseconds.
"""

from __future__ import annotations

from ..metrics import families as f
from ..metrics.exposition import PROTOBUF, Collection, content_type_for, render
from ..metrics.process_metrics import add_process
from ..metrics.request_samples import add_requests
from ..metrics.snapshot_metrics import add_snapshot
from .runtime import Runtime

__all__ = ["metrics_page"]


def metrics_page(runtime: Runtime, accept: str) -> tuple[str, bytes]:
    """Return content type and content; `accept` is the field of the request."""
    found = Collection()
    add_snapshot(found, runtime.snapshot(requests=False))
    add_requests(found, runtime.request_metrics.counts())
    _add_service(found, runtime)
    add_process(found)
    content_type = content_type_for(accept)
    if content_type == PROTOBUF:
        from ..metrics.protobuf import encode

        return content_type, encode(found)
    return content_type, render(found, content_type)


def _add_service(to: Collection, runtime: Runtime) -> None:
    context, reloads = runtime.context, runtime.reloads
    to.add(f.LOOP_TASKS, context.event_loop.task_count)
    to.add(f.UPSTREAM_IDLE, context.pool.idle_count)
    to.add(f.BODY_BYTES, runtime.body_limiter.used)
    to.add(f.VIEWERS, runtime.page.publisher.viewers)
    alerts = runtime.alert_counts()
    for result, number in (("told", alerts.told), ("dropped", alerts.dropped)):
        to.add(f.ALERT_EVENTS, number, result)
    for result, number in (("ok", alerts.delivered), ("failed", alerts.failed)):
        to.add(f.ALERT_DELIVERIES, number, result)
    to.add(f.RELOADS, reloads.done, "ok")
    to.add(f.RELOADS, reloads.failed, "failed")
    to.add(f.RELOAD_OK, reloads.last_ok)
    to.add(f.RELOADED_AT, reloads.at)
