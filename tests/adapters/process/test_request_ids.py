"""One id leads from an answer to its log lines, and on to the jobs it enqueued."""

import pytest
import redis
import structlog
from flask import Flask

from inspired.adapters.process import request_ids
from inspired.adapters.process.request_ids import given_or_made, handling
from inspired.adapters.redis import worker as workers
from inspired.services import Services
from tests.harness import Servers

ROUTERS = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.mark.parametrize("header", ["", "short", "x" * 65, 'id" forged="1', "line\nbreak", "<script>alert</script>"])
def test_what_is_no_id_is_replaced_by_one_of_ours(header: str):
    assert len(given_or_made(header)) == 16
    assert given_or_made(header) != given_or_made(header)


def test_the_routers_id_is_kept():
    assert given_or_made(ROUTERS) == ROUTERS


def test_nothing_is_known_outside_of_a_request():
    with handling(ROUTERS):
        inside = request_ids.current()

    assert (inside, request_ids.current()) == (ROUTERS, "")


def test_the_answer_and_its_log_line_name_the_request(app: Flask, capsys: pytest.CaptureFixture[str]):
    answer = app.test_client().get("/book/lunch", headers={"X-Request-Id": ROUTERS})

    assert answer.headers["X-Request-Id"] == ROUTERS
    assert f"request={ROUTERS}" in capsys.readouterr().out
    assert len(app.test_client().get("/").headers["X-Request-Id"]) == 16


def test_a_job_knows_the_request_that_enqueued_it_and_its_log_lines_name_both(svc: Services, sandbox: Servers):
    seen: list[dict[str, object]] = []

    def refresh(booking_id: str) -> None:
        seen.append(structlog.contextvars.get_contextvars())

    with handling(ROUTERS):
        svc.queue.enqueue("refresh", "b1")
    svc.queue.enqueue("refresh", "b2")
    with redis.Redis.from_url(sandbox.redis_url) as connection:
        worker = workers.made(
            connection, {"inspired.jobs.refresh": refresh}, on_turn=lambda name: None, on_refused=lambda what: None
        )
        worker.work(burst=True, logging_level="WARNING")

    assert [one.get("request") for one in seen] == [ROUTERS, None]
    assert all(one["job"] for one in seen)
