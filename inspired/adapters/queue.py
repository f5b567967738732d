"""The doorbell: RQ over Redis. Losing a ring costs seconds, since the clock finds in Mongo whatever is due.

A ring never has an id of its own (two rings are harmless, a lost one is rung again), carries ids only, and is
serialised as JSON, so that whoever can write to Redis cannot run code here.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

import redis
import structlog
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.serializers import JSONSerializer

from inspired.adapters.redis_server import why
from inspired.domain.errors import UpstreamError

# The most urgent first.
NOTICES, BOOKINGS, LETTERS, REHEARSALS = "notices", "bookings", "letters", "rehearsals"
PAUSE = 1.0  # seconds without asking, after Redis did not answer: a frozen Redis delays one request, not all
log = structlog.get_logger()


def queues_on(connection: redis.Redis) -> list[Queue]:
    """As a worker takes from them: a payment that was just made waits for nothing, a rehearsal for everything."""
    names = (NOTICES, BOOKINGS, LETTERS, REHEARSALS)
    return [Queue(name, connection=connection, serializer=JSONSerializer) for name in names]


@dataclass(frozen=True, slots=True)
class Waiting:
    """`since`: when the oldest job of this queue was rung for; None where none waits."""

    queue: str
    count: int
    since: datetime | None


class Doorbell:
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

    def ring(self, job: str, *ids: str) -> bool:
        """Ask for `inspired.jobs.<job>(*ids)`. False where Redis is away: then the clock will."""
        return self._ring(self._bookings, job, ids)

    def ring_for_notice(self, job: str, *ids: str) -> bool:
        return self._ring(self._notices, job, ids)

    def ring_for_letters(self, job: str, *ids: str) -> bool:
        return self._ring(self._letters, job, ids)

    def ring_for_rehearsal(self, job: str, *ids: str) -> bool:
        return self._ring(self._rehearsals, job, ids)

    def waiting(self) -> int:
        """Rings for bookings that no worker has come to yet. 0 where Redis is away."""
        return _waiting(self._bookings)

    def notices_waiting(self) -> int:
        return _waiting(self._notices)

    def letters_waiting(self) -> int:
        return _waiting(self._letters)

    def queues(self) -> list[Waiting]:
        """Raises UpstreamError where Redis is away."""
        try:
            return [_oldest(queue) for queue in (self._notices, self._bookings, self._letters)]
        except redis.RedisError as error:
            raise UpstreamError("redis", why(error)) from None

    def _ring(self, queue: Queue, job: str, ids: tuple[str, ...]) -> bool:
        if time.monotonic() < self._silent_until:
            return False
        try:
            queue.enqueue_call(f"inspired.jobs.{job}", args=ids, timeout=60, result_ttl=0, failure_ttl=86_400, ttl=600)
        except redis.RedisError as error:
            self._silent_until = time.monotonic() + PAUSE
            log.warning("ring_lost", job=job, why=why(error))
            return False
        return True


def _oldest(queue: Queue) -> Waiting:
    first = queue.get_job_ids(length=1)
    if not first:
        return Waiting(queue.name, 0, None)
    try:
        job = queue.job_class.fetch(first[0], connection=queue.connection, serializer=JSONSerializer)
        since = _utc(job.enqueued_at)
    except NoSuchJobError:  # taken, or too old, between the two questions
        since = None
    return Waiting(queue.name, queue.count, since)


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _waiting(queue: Queue) -> int:
    try:
        return queue.count
    except redis.RedisError:
        return 0
