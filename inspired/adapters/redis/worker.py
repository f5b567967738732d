"""The worker: RQ's `SimpleWorker`, so that jobs run in this process (docs/decisions.md), with these differences.

- It survives a Redis outage. RQ's worker ends at the first command that fails outside its loop, and a platform delays
  restarts more and more.
- Each turn of its loop is reported (`on_turn`), because only then does it really take jobs.
- It runs only the jobs registered by name (`queue.ProductJob`); `on_refused` gets whatever else was in the queue.
- It does not subscribe to commands through Redis, which saves a connection and closes an attack path.
"""

import signal
import time
from collections.abc import Callable, Mapping

import redis
import structlog
from rq import SimpleWorker

from inspired.adapters.process import request_ids
from inspired.adapters.redis import queue as queues
from inspired.adapters.redis.queue import ProductJob
from inspired.adapters.redis.redis_server import why

WORKER_TTL, LONGEST_WAIT = 30, 2.0  # seconds; an idle loop turns after half of it
QUEUE_CONNECTIONS = 2  # RQ waits on one, and watches with another while it changes a job's dependencies
log = structlog.get_logger()


class Worker(SimpleWorker):
    max_connection_wait_time = LONGEST_WAIT  # RQ's default waits up to a minute after Redis is back
    on_turn: Callable[[str], None]
    on_refused: Callable[[str], None]
    is_asked_to_stop = False

    def heartbeat(self, timeout=None, pipeline=None):  # type: ignore[no-untyped-def]
        """RQ calls it at every loop turn; with a pipeline, Redis has not been called yet."""
        super().heartbeat(timeout, pipeline)
        if pipeline is None:
            self.on_turn(self.name)

    def execute_job(self, job, queue):  # type: ignore[no-untyped-def]
        if job.refused:
            self.connection.delete(job.key)
            log.error("job_refused", queue=queue.name, what=job.refused)
            self.on_refused(job.refused)
        else:
            with request_ids.handling(job.description or "", job=job.id):
                super().execute_job(job, queue)

    def request_stop(self, signum, frame):  # type: ignore[no-untyped-def]
        self.is_asked_to_stop = True
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    def subscribe(self) -> None:
        """Subscribes to nothing."""


def made(
    connection: redis.Redis,
    functions: Mapping[str, Callable[..., object]],
    *,
    on_turn: Callable[[str], None],
    on_refused: Callable[[str], None],
) -> Worker:
    """`functions`: the jobs that may run, by their name in the queue. `on_turn` gets the worker's name, `on_refused`
    what was not run. Raises redis.RedisError."""
    job_class = type("ProductJob", (ProductJob,), {"functions": functions})
    worker = Worker(
        queues.queues_on(connection, job_class),
        connection=connection,
        job_class=job_class,
        serializer="json",
        worker_ttl=WORKER_TTL,
        maintenance_interval=10,
        job_monitoring_interval=5,
        log_job_description=False,
    )
    worker.on_turn, worker.on_refused = on_turn, on_refused
    return worker


def run(
    connection: redis.Redis,
    functions: Mapping[str, Callable[..., object]],
    *,
    on_turn: Callable[[str], None],
    on_refused: Callable[[str], None],
    pause: float = LONGEST_WAIT,
) -> None:
    """Run such a worker until a signal ends it, through Redis outages."""
    while True:
        worker: Worker | None = None
        try:
            worker = made(connection, functions, on_turn=on_turn, on_refused=on_refused)
            worker.work(logging_level="WARNING")
        except redis.RedisError as error:
            log.warning("worker_waits_for_redis", why=why(error))
        if worker is not None and worker.is_asked_to_stop:
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)  # RQ's handlers refer to the worker that ended
        time.sleep(pause)
