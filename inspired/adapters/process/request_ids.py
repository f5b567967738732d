"""One id for what a visitor's request sets off: its log lines, its jobs, its calls to providers, and the answer itself.

A router in front (Heroku, nginx) names the request in `X-Request-Id`; where it does not, we do.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

HEADER = "X-Request-Id"
OF_A_ROUTER = re.compile(r"[A-Za-z0-9-]{8,64}")


def given_or_made(header: str) -> str:
    """The router's id, if it is one; a visitor may send the header too, and it must do no harm in a log."""
    return header if OF_A_ROUTER.fullmatch(header) else secrets.token_hex(8)


def current() -> str:
    """ "" where no request is being handled, nor a job that one enqueued."""
    return str(structlog.contextvars.get_contextvars().get("request", ""))


@contextmanager
def handling(request_id: str, *, job: str = "") -> Iterator[None]:
    """Log lines inside carry the id, and `job` beside it. "" and what is no id leave it out."""
    known = {"request": request_id} if OF_A_ROUTER.fullmatch(request_id) else {}
    with structlog.contextvars.bound_contextvars(**known, **({"job": job} if job else {})):
        yield
