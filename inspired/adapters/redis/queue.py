"""The doorbell: RQ over Redis. Losing a ring costs seconds, since the clock finds in Mongo whatever is due.

A ring never has an id of its own (two rings are harmless, a lost one is rung again) and carries ids only. JSON keeps
reading one from running code; that none but our own jobs are run is `Ring`'s doing, as RQ imports whatever is named.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import redis
import structlog
from rq import Queue
from rq.exceptions import DeserializationError, NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from inspired.adapters.redis.redis_server import why
from inspired.domain.shared.errors import UpstreamError

# The most urgent first.
NOTICES, BOOKINGS, LETTERS, REHEARSALS = "notices", "bookings", "letters", "rehearsals"
PAUSE = 1.0  # seconds without asking, after Redis did not answer: a frozen Redis delays one request, not all
JOB_SECONDS, FAILED_KEPT, RUNG_FOR = 60, 86_400, 600  # seconds
LONGEST_NAME = 80
LIMITS = {"timeout": str(JOB_SECONDS).encode(), "result_ttl": b"0", "failure_ttl": str(FAILED_KEPT).encode()}
# What RQ writes down of a job that is a name and ids and no more; callbacks, webhooks, retries are not ours.
FIELDS = frozenset(
    [
        "data",
        "created_at",
        "enqueued_at",
        "started_at",
        "ended_at",
        "last_heartbeat",
        "origin",
        "description",
        "worker_name",
        "status",
        "ttl",
        "timeout",
        "result_ttl",
        "failure_ttl",
        "exc_info",
    ]
)
log = structlog.get_logger()


class ProductJob(Job):
    """A job as it was read from Redis, where others may have written too. Nothing is imported by a name found there:
    not the job, nor what RQ would call after it. `refused`: why it is not one of ours; "" where it is."""

    functions: ClassVar[Mapping[str, Callable[..., object]]] = {}
    refused = ""

    def restore(self, raw_data: Mapping[bytes | str, Any]) -> None:
        """Raises NoSuchJobError; whatever else cannot be read is refused."""
        found = {
            name.decode(errors="replace") if isinstance(name, bytes) else name: raw_data[name] for name in raw_data
        }
        odd = sorted(name for name, value in found.items() if value and name not in FIELDS)
        kept = {name: value for name, value in found.items() if name in FIELDS and name not in LIMITS}
        try:
            super().restore({**kept, **LIMITS})
            self.refused = f"with {_tame(', '.join(odd))}" if odd else self._not_ours()
        except (ValueError, TypeError, DeserializationError):
            self.refused = "unreadable"

    @property
    def func(self) -> Callable[..., object]:
        return self.functions[str(self.func_name)]

    def _not_ours(self) -> str:
        """Raises DeserializationError."""
        if self.func_name not in self.functions:
            return _tame(str(self.func_name))
        are_ids = isinstance(self.args, list) and all(isinstance(one, str) for one in self.args)
        if self.instance is not None or self.kwargs or not are_ids:
            return f"{self.func_name} with something else than ids"
        return ""


def _tame(text: str) -> str:
    """Somebody else's words, fit for a log and a mail."""
    return re.sub(r"[^\w., ]", "?", text)[:LONGEST_NAME]


def queues_on(connection: redis.Redis, job_class: type[ProductJob] = ProductJob) -> list[Queue]:
    """As a worker takes from them: a payment that was just made waits for nothing, a rehearsal for everything."""
    names = (NOTICES, BOOKINGS, LETTERS, REHEARSALS)
    return [Queue(name, connection=connection, serializer=JSONSerializer, job_class=job_class) for name in names]


@dataclass(frozen=True, slots=True)
class Waiting:
    """`since`: when the oldest job of this queue was rung for; None where none waits."""

    queue: str
    count: int
    since: datetime | None


class JobQueue:
    def __init__(self, connection: redis.Redis) -> None:
        self._connection = connection
        self._notices, self._bookings, self._letters, self._rehearsals = queues_on(connection)
        self._silent_until = 0.0

    def ping(self) -> None:
        """Raises UpstreamError where Redis is away."""
        try:
            self._connection.ping()
        except redis.RedisError as error:
            raise UpstreamError("redis", why(error)) from None

    def enqueue(self, job: str, *ids: str) -> bool:
        """Ask for `inspired.jobs.<job>(*ids)`. False where Redis is away: then the clock will."""
        return self._enqueue(self._bookings, job, ids)

    def enqueue_webhook(self, job: str, *ids: str) -> bool:
        return self._enqueue(self._notices, job, ids)

    def enqueue_mail(self, job: str, *ids: str) -> bool:
        return self._enqueue(self._letters, job, ids)

    def enqueue_rehearsal(self, job: str, *ids: str) -> bool:
        return self._enqueue(self._rehearsals, job, ids)

    def waiting(self) -> int:
        """Rings for bookings that no worker has come to yet. 0 where Redis is away."""
        return _waiting(self._bookings)

    def webhooks_waiting(self) -> int:
        return _waiting(self._notices)

    def mails_waiting(self) -> int:
        return _waiting(self._letters)

    def queues(self) -> list[Waiting]:
        """Raises UpstreamError where Redis is away."""
        try:
            return [_oldest(queue) for queue in (self._notices, self._bookings, self._letters)]
        except redis.RedisError as error:
            raise UpstreamError("redis", why(error)) from None

    def _enqueue(self, queue: Queue, job: str, ids: tuple[str, ...]) -> bool:
        if time.monotonic() < self._silent_until:
            return False
        try:
            queue.enqueue_call(
                f"inspired.jobs.{job}",
                args=ids,
                timeout=JOB_SECONDS,
                result_ttl=0,
                failure_ttl=FAILED_KEPT,
                ttl=RUNG_FOR,
            )
        except redis.RedisError as error:
            self._silent_until = time.monotonic() + PAUSE
            log.warning("ring_lost", job=job, why=why(error))
            return False
        return True


def _oldest(queue: Queue) -> Waiting:
    try:
        first = queue.get_job_ids(length=1)
        if not first:
            return Waiting(queue.name, 0, None)
        job = queue.job_class.fetch(first[0], connection=queue.connection, serializer=JSONSerializer)
        since = _utc(job.enqueued_at)
    except (NoSuchJobError, ValueError):  # taken, or too old, between the two questions; or nothing of ours
        since = None
    return Waiting(queue.name, queue.count, since)


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _waiting(queue: Queue) -> int:
    try:
        return queue.count
    except redis.RedisError:
        return 0
