"""The job queue: RQ over Redis. A lost job costs seconds, since the sweep finds all due work in MongoDB.

Jobs have no fixed id (a duplicate is harmless, a lost one is enqueued again) and carry only ids. JSON prevents a job
from carrying code. `ProductJob` ensures that only our own jobs run, since RQ would import any name.
"""

import hashlib
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

from inspired.adapters.process import request_ids
from inspired.adapters.redis.redis_server import why
from inspired.domain.shared.errors import UpstreamError

# Most urgent first.
NOTICES, BOOKINGS, LETTERS, REHEARSALS = "notices", "bookings", "letters", "rehearsals"
PAUSE = 1.0  # seconds without calls after Redis did not answer, so that a frozen Redis delays one request, not all
JOB_SECONDS, FAILED_KEPT, ENQUEUED_FOR = 60, 86_400, 600  # seconds
RUN_KNOWN = 600  # seconds, longer than any lease that a job is given
LONGEST_NAME = 80
LIMITS = {"timeout": str(JOB_SECONDS).encode(), "result_ttl": b"0", "failure_ttl": str(FAILED_KEPT).encode()}
# The fields RQ stores for a job that is a name and ids; callbacks, webhooks and retries are not ours.
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
    """A job read from Redis, where others may have written too. No name found there is imported: neither the job nor
    any callback. `refused`: why it is not one of our jobs; "" if it is."""

    functions: ClassVar[Mapping[str, Callable[..., object]]] = {}
    refused = ""

    def restore(self, raw_data: Mapping[bytes | str, Any]) -> None:
        """Raises NoSuchJobError; anything else that cannot be read is marked as refused."""
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
        are_ids = isinstance(self.args, list) and all(isinstance(argument, str) for argument in self.args)
        if self.instance is not None or self.kwargs or not are_ids:
            return f"{self.func_name} with something else than ids"
        return ""


def _tame(text: str) -> str:
    """Foreign text, made safe for logs and mails."""
    return re.sub(r"[^\w., ]", "?", text)[:LONGEST_NAME]


def queues_on(connection: redis.Redis, job_class: type[ProductJob] = ProductJob) -> list[Queue]:
    """In the order workers take from them: payment webhooks first, rehearsals last."""
    names = (NOTICES, BOOKINGS, LETTERS, REHEARSALS)
    return [Queue(name, connection=connection, serializer=JSONSerializer, job_class=job_class) for name in names]


@dataclass(frozen=True, slots=True)
class Waiting:
    """`since`: when the oldest job of this queue was enqueued; None if none waits."""

    queue: str
    count: int
    since: datetime | None


class JobQueue:
    def __init__(self, connection: redis.Redis) -> None:
        self._connection = connection
        self._notices, self._bookings, self._letters, self._rehearsals = queues_on(connection)
        self._silent_until = 0.0

    def ping(self) -> None:
        """Raises UpstreamError if Redis is away."""
        try:
            self._connection.ping()
        except redis.RedisError as error:
            raise UpstreamError("redis", why(error)) from None

    def enqueue(self, job: str, *ids: str) -> bool:
        """Enqueue `inspired.jobs.<job>(*ids)`. False if Redis is away; the sweep then enqueues it later."""
        return self._enqueue(self._bookings, job, ids)

    def enqueue_webhook(self, job: str, *ids: str) -> bool:
        return self._enqueue(self._notices, job, ids)

    def enqueue_mail(self, job: str, *ids: str) -> bool:
        return self._enqueue(self._letters, job, ids)

    def enqueue_rehearsal(self, job: str, *ids: str) -> bool:
        return self._enqueue(self._rehearsals, job, ids)

    def waiting(self) -> int:
        """Booking jobs no worker has taken yet. 0 if Redis is away."""
        return _waiting(self._bookings)

    def webhooks_waiting(self) -> int:
        return _waiting(self._notices)

    def mails_waiting(self) -> int:
        return _waiting(self._letters)

    def queues(self) -> list[Waiting]:
        """Raises UpstreamError if Redis is away."""
        try:
            return [_oldest(queue) for queue in (self._notices, self._bookings, self._letters)]
        except redis.RedisError as error:
            raise UpstreamError("redis", why(error)) from None

    def is_first_run(self, job: str, *ids: str) -> bool:
        """True for one of those who ask about a job with these ids. False if Redis is away."""
        try:
            return bool(self._connection.set(f"run:{job}:{_digest(ids)}", 1, nx=True, ex=RUN_KNOWN))
        except redis.RedisError as error:
            log.warning("run_unknown", job=job, why=why(error))
            return False

    def _enqueue(self, queue: Queue, job: str, ids: tuple[str, ...]) -> bool:
        if time.monotonic() < self._silent_until:
            return False
        try:
            queue.enqueue_call(
                f"inspired.jobs.{job}",
                args=ids,
                description=request_ids.current() or job,  # free text to RQ: the one field that can carry it
                timeout=JOB_SECONDS,
                result_ttl=0,
                failure_ttl=FAILED_KEPT,
                ttl=ENQUEUED_FOR,
            )
        except redis.RedisError as error:
            self._silent_until = time.monotonic() + PAUSE
            log.warning("ring_lost", job=job, why=why(error))
            return False
        return True


def _digest(ids: tuple[str, ...]) -> str:
    return hashlib.blake2s(" ".join(ids).encode(), digest_size=16).hexdigest()


def _oldest(queue: Queue) -> Waiting:
    try:
        first = queue.get_job_ids(length=1)
        if not first:
            return Waiting(queue.name, 0, None)
        job = queue.job_class.fetch(first[0], connection=queue.connection, serializer=JSONSerializer)
        since = _utc(job.enqueued_at)
    except (NoSuchJobError, ValueError):  # taken or expired between the two calls; or not one of our jobs
        since = None
    return Waiting(queue.name, queue.count, since)


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _waiting(queue: Queue) -> int:
    try:
        return queue.count
    except redis.RedisError:
        return 0
