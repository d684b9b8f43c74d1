"""Every metric of the service (OpenMetrics names).

`serve` runs several processes behind one address. It names a folder in `PROMETHEUS_MULTIPROC_DIR`, through which
prometheus-client adds their figures up, so that `/metrics` tells the whole whichever process answers.
"""

import atexit
import os
from functools import cache

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.multiprocess import (
    MultiProcessCollector,
    mark_process_dead,  # pyright: ignore[reportUnknownVariableType]
)

from polling_api import tallies
from polling_api.tallies import QuickCounter as Counter
from polling_api.tallies import QuickHistogram as Histogram

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

if SHARED_FOLDER in os.environ:
    tallies.install()
    atexit.register(tallies.write)

REGISTRY = CollectorRegistry()

_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

REQUESTS = Histogram(
    "polling_request_seconds",
    "Time to the first byte of an answer, by route, transport and outcome.",
    ("route", "transport", "outcome"),
    buckets=_FAST,
    registry=REGISTRY,
)
READS = Counter(
    "polling_snapshot_reads",
    "Reads of a job's status, by the tier that answered: live (in memory), redis (the status cache), replica, primary "
    "(Postgres), coalesced (joined a read of Postgres under way). What was not live is a miss of the memory.",
    ("source",),
    registry=REGISTRY,
)
SNAPSHOT_AGE = Histogram(
    "polling_snapshot_age_seconds",
    "How long ago the primary confirmed what is known: redis (of each record found in the status cache), replica (of "
    "each job found there), live (of the snapshot in memory confirmed longest ago, at each comparison).",
    ("source",),
    buckets=(0.05, 0.25, 0.5, 1, 2, 3, 4, 5, 10, 30),
    registry=REGISTRY,
)
CACHE_READS = Counter(
    "polling_cache_reads",
    "Ids looked up in the status cache: redis (asked), coalesced (joined a look-up under way).",
    ("source",),
    registry=REGISTRY,
)
CACHE_LOOKUPS = Counter(
    "polling_cache_lookups",
    "What came of looking into the status cache: hit (answered with), old (seen in the primary too long ago to be), "
    "older (than what is known), foreign (not the caller's, so that the primary is asked), miss, failed (no answer in "
    "time), skipped (the circuit is open). Of the misses: gone (a job deleted a moment ago, or lost in a failover), "
    "ageless (Redis's clock was set back), unreadable.",
    ("outcome",),
    registry=REGISTRY,
)
CACHE_WRITES = Counter(
    "polling_cache_writes",
    "Versions offered to the status cache: kept, renewed, older (a higher one is there), lacking (to be renewed, but "
    "not there: written next), late (seen too long ago), failed, dropped (too many waited, or Redis was away). What "
    "lapses in Redis is among the misses.",
    ("outcome",),
    registry=REGISTRY,
)
CACHE_SECONDS = Histogram(
    "polling_cache_seconds",
    "One round trip to the status cache: read, write.",
    ("kind",),
    buckets=_FAST,
    registry=REGISTRY,
)
REPLICA_READS = Counter(
    "polling_replica_reads",
    "Ids looked up in replicas: replica (asked), coalesced (joined a read under way).",
    ("source",),
    registry=REGISTRY,
)
REPLICA_ROWS = Counter("polling_replica_rows", "Jobs that each replica has told.", ("replica",), registry=REGISTRY)
REPLICA_LOOKUPS = Counter(
    "polling_replica_lookups",
    "What came of asking a replica for what is not known here or in the status cache: hit (answered with), old (from "
    "too long ago to be), older (than what is known), foreign (not the caller's), miss, failed (no answer in time), "
    "skipped (none is in rotation). All but hits are asked of the primary.",
    ("outcome",),
    registry=REGISTRY,
)
REPLICA_LAG = Gauge(
    "polling_replica_lag_seconds",
    "How long ago the primary's first beat was that a replica lacks, when it was last looked at; 0: it lacks none.",
    ("replica",),
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
REPLICA_IN_ROTATION = Gauge(
    "polling_replica_in_rotation",
    "Whether a replica is asked by all processes: 1, or 0.",
    ("replica",),
    registry=REGISTRY,
    multiprocess_mode="livemin",
)
ABSENCES = Gauge(
    "polling_absences",
    "Pairs of a caller and an id that were denied a moment ago.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
ABSENCE_READS = Counter(
    "polling_absence_reads",
    "Look-ups of what is not in memory among what was denied a moment ago: hit (denied again at no cost), miss.",
    ("outcome",),
    registry=REGISTRY,
)
ABSENCE_EVICTIONS = Counter(
    "polling_absence_evictions",
    "Denials forgotten: over (their time), full (no room), appeared (such a job was published), gap (notices may "
    "have been missed).",
    ("reason",),
    registry=REGISTRY,
)
WARM_UPS = Histogram(
    "polling_warm_up_seconds", "Going through all unfinished jobs, at start or to fill Redis.", registry=REGISTRY
)
WARMED = Counter(
    "polling_warmed_jobs",
    "Unfinished jobs read ahead of whoever asks: memory (kept as snapshots), redis (offered to the status cache).",
    ("tier",),
    registry=REGISTRY,
)
KEY_READS = Counter(
    "polling_key_reads",
    "Look-ups of a signing key: live (in memory), primary (Postgres), coalesced (joined a read under way).",
    ("source",),
    registry=REGISTRY,
)
SNAPSHOTS = Gauge("polling_snapshots", "Live snapshots.", registry=REGISTRY, multiprocess_mode="livesum")
EVICTIONS = Counter(
    "polling_snapshot_evictions",
    "Snapshots dropped from memory: idle (nobody asked for them), full (no room).",
    ("reason",),
    registry=REGISTRY,
)
HELD = Gauge(
    "polling_held",
    "Requests held open now, by transport.",
    ("transport",),
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
LOOP_LAG = Histogram(
    "polling_loop_lag_seconds",
    "How late the event loop came to a timer, ten times a second: all that is answered is as late.",
    buckets=_FAST,
    registry=REGISTRY,
)
COMMIT_TO_SOCKET = Histogram(
    "polling_commit_to_socket_seconds",
    "From a version's commit to its bytes at a held request's socket.",
    ("transport",),
    buckets=_FAST,
    registry=REGISTRY,
)
NOTICES = Counter(
    "polling_notices", "Notices from the hub: taken, stale, or of jobs nobody watches.", ("fate",), registry=REGISTRY
)
GAPS = Counter(
    "polling_hub_gaps", "Times the hub may have missed notices and everything watched was compared.", registry=REGISTRY
)
PUBLISHED = Counter("polling_published", "Notices published, by outcome.", ("outcome",), registry=REGISTRY)
NONCES = Counter("polling_nonces", "Nonces burnt: fresh, used, or unsure (Redis away).", ("fate",), registry=REGISTRY)
COMPARISONS = Histogram(
    "polling_comparison_seconds", "Comparing all that is watched with the primary.", registry=REGISTRY
)
MADE_UP = Counter("polling_comparison_found", "Changes found by comparison that no notice had told.", registry=REGISTRY)
SETBACKS = Counter(
    "polling_setbacks",
    "Snapshots that gave way to a primary that, asked twice, did not know them: version (it knows a lower one, or "
    "another under the same number: a failover lost commits), job (it has no such: lost so, or deleted).",
    ("lost",),
    registry=REGISTRY,
)
RESTARTS = Counter(
    "polling_part_restarts",
    "Parts of a process that run beside the requests and ended, by a mistake of ours, and were started again.",
    ("part",),
    registry=REGISTRY,
)
SWEEPS = Histogram("polling_sweep_seconds", "One sweep of the monitor over claimed jobs.", registry=REGISTRY)
SWEPT = Counter("polling_swept_jobs", "Jobs a monitor looked at, by what came of it.", ("outcome",), registry=REGISTRY)
CIRCUITS = Gauge(
    "polling_circuit_state",
    "Circuit breakers, by what they guard: 0 closed (all calls pass), 1 half-open (one does), 2 open (none does).",
    ("circuit",),
    registry=REGISTRY,
    multiprocess_mode="livemax",  # one process that is cut off is what has to be seen
)
PROVIDER_CALLS = Histogram(
    "polling_provider_seconds", "Calls to the provider, by call and outcome.", ("call", "outcome"), registry=REGISTRY
)
RESULT_ROWS = Counter("polling_result_rows", "Result rows stored.", registry=REGISTRY)
STRAYS = Counter(
    "polling_stray_results",
    "What a provider told that is no result of its job: unreadable, overlong, unknown_item, contradiction.",
    ("kind",),
    registry=REGISTRY,
)
CONNECTIONS = Gauge(
    "polling_connections", "Connections that are open now.", registry=REGISTRY, multiprocess_mode="livesum"
)
CONNECTIONS_REFUSED = Counter(
    "polling_connections_refused",
    "Connections for which there was no room, by whose: process, address.",
    ("cap",),
    registry=REGISTRY,
)
LIMIT_EVICTIONS = Counter(
    "polling_limit_evictions",
    "What limits and blocks had to forget for want of room: hour, minute, burst, suspects, blocks.",
    ("kind",),
    registry=REGISTRY,
)
LIMIT_ROUNDS = Counter(
    "polling_limit_rounds", "Exchanges of counts with the other processes, by outcome.", ("outcome",), registry=REGISTRY
)
REFUSALS = Counter("polling_refusals", "Requests refused, by which limit or block.", ("which",), registry=REGISTRY)
AUDIT_ROWS = Counter(
    "polling_audit_rows", "Audit rows committed: single ones, and sums of refusals.", ("kind",), registry=REGISTRY
)
AUDIT_COMMITS = Histogram(
    "polling_audit_commit_seconds", "Writing one group of audit rows.", buckets=_FAST, registry=REGISTRY
)
AUDIT_WAITING = Gauge(
    "polling_audit_waiting", "Audit rows that wait to be written.", registry=REGISTRY, multiprocess_mode="livesum"
)
AUDIT_FAILURES = Counter(
    "polling_audit_failures",
    "Audit rows that were not written, so that what they tell was refused: late, full, failed.",
    ("reason",),
    registry=REGISTRY,
)
REFUSALS_FOLDED = Counter(
    "polling_audit_refusals_folded", "Refusals of callers too many to be told one by one.", registry=REGISTRY
)
REFUSALS_LOST = Counter(
    "polling_audit_refusals_lost",
    "Refusals that were never recorded: the database was away too long.",
    registry=REGISTRY,
)
PUSHES = Counter(
    "polling_pushes",
    "Events that the provider sent, by what came of them: due (a job was made due at once), unknown (no unfinished job "
    "has such a batch), held (a monitor held the job all the time), joined (another about the same batch waited), "
    "repeated, other (about something else), forged, malformed, full (too many waited).",
    ("outcome",),
    registry=REGISTRY,
)
WEBHOOK_DELIVERIES = Counter(
    "polling_webhook_deliveries",
    "Webhook deliveries after an attempt, by what they are then: delivered, pending (it failed and is tried again, or "
    "was given back), dead (given up), superseded (it failed, and a newer version takes its place).",
    ("status",),
    registry=REGISTRY,
)
WEBHOOK_ATTEMPTS = Histogram(
    "polling_webhook_attempt_seconds",
    "One attempt to tell a receiver, by outcome: well, failed.",
    ("outcome",),
    buckets=_FAST,
    registry=REGISTRY,
)
WEBHOOKS_UNDER_WAY = Gauge(
    "polling_webhooks_under_way", "Deliveries being sent now.", registry=REGISTRY, multiprocess_mode="livesum"
)
WEBHOOKS_DUE = Gauge(
    "polling_webhooks_due",
    "Deliveries that are due and not being sent, counted up to 100,000.",
    registry=REGISTRY,
    multiprocess_mode="livemax",  # each dispatcher sees the same ones
)
WEBHOOKS_OLDEST_DUE = Gauge(
    "polling_webhooks_oldest_due_seconds",
    "For how long the oldest of those has been due.",
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
WEBHOOK_ENDPOINTS = Gauge(
    "polling_webhook_endpoints",
    "Webhook endpoints that tell their owners nothing: disabled, failing (for more than an hour).",
    ("state",),
    registry=REGISTRY,
    multiprocess_mode="livemax",
)


# To find a metric by its labels takes longer than to count with it. Labels have few values, so each is found once.
request_seconds = cache(REQUESTS.labels)
snapshot_reads = cache(READS.labels)
commit_to_socket = cache(COMMIT_TO_SOCKET.labels)
nonces = cache(NONCES.labels)
refusals = cache(REFUSALS.labels)
held = cache(HELD.labels)
cache_lookups = cache(CACHE_LOOKUPS.labels)
replica_lookups = cache(REPLICA_LOOKUPS.labels)
cache_writes = cache(CACHE_WRITES.labels)
cache_seconds = cache(CACHE_SECONDS.labels)
absence_reads = cache(ABSENCE_READS.labels)
absence_evictions = cache(ABSENCE_EVICTIONS.labels)
snapshot_age = cache(SNAPSHOT_AGE.labels)
warmed = cache(WARMED.labels)
webhook_deliveries = cache(WEBHOOK_DELIVERIES.labels)
webhook_attempt_seconds = cache(WEBHOOK_ATTEMPTS.labels)


def whole() -> CollectorRegistry:
    """The figures of this process, or of all that share its folder."""
    if SHARED_FOLDER not in os.environ:
        return REGISTRY
    tallies.write()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return registry


def forget(pid: int, folder: str) -> None:
    """Take what a process that died said of the present, as how much it held, out of the folder's figures."""
    mark_process_dead(pid, folder)
