"""The worker: RQ's `SimpleWorker`, so that jobs run in this very process (docs/decisions.md), with ways of its own.

- It outlives a Redis that is away: RQ's ends at the first command that fails outside its loop, and a platform starts
  what ends often later and later.
- Each turn of its loop is told (`on_turn`): only then is work really taken.
- It listens to no commands through Redis, which saves a connection and a way in.
"""

import signal
import time
from collections.abc import Callable

import redis
import structlog
from rq import SimpleWorker

from inspired.adapters import queue as queues
from inspired.adapters.redis_server import why

WORKER_TTL, LONGEST_WAIT = 30, 2.0  # seconds; an idle loop comes round after half of it
log = structlog.get_logger()


class Worker(SimpleWorker):
    max_connection_wait_time = LONGEST_WAIT  # RQ's own waits up to a minute after Redis is back
    on_turn: Callable[[str], None]
    is_asked_to_stop = False

    def heartbeat(self, timeout=None, pipeline=None):  # type: ignore[no-untyped-def]
        """RQ calls it whenever its loop comes round; with a pipeline nothing has been asked yet."""
        super().heartbeat(timeout, pipeline)
        if pipeline is None:
            self.on_turn(self.name)

    def request_stop(self, signum, frame):  # type: ignore[no-untyped-def]
        self.is_asked_to_stop = True
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    def subscribe(self) -> None:
        """To nothing."""


def run(connection: redis.Redis, on_turn: Callable[[str], None], *, pause: float = LONGEST_WAIT) -> None:
    """Until a signal ends it. `on_turn` is given the worker's name."""
    while True:
        worker: Worker | None = None
        try:
            worker = Worker(
                queues.queues_on(connection),
                connection=connection,
                serializer="json",
                worker_ttl=WORKER_TTL,
                maintenance_interval=10,
                job_monitoring_interval=5,
                log_job_description=False,
            )
            worker.on_turn = on_turn
            worker.work(logging_level="WARNING")
        except redis.RedisError as error:
            log.warning("worker_waits_for_redis", why=why(error))
        if worker is not None and worker.is_asked_to_stop:
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)  # RQ's handlers speak to a worker that is gone
        time.sleep(pause)
