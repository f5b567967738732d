"""How long this request may still take. The web path answers within 3 s even when everything behind it is frozen.

`within` is set once around a request; the database driver and the HTTP door both look at what is left.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import pymongo

KEPT_SECONDS = 0.6  # for saving what came of the call: an answer nobody could write down helps nobody
_ends: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Everything inside shares this much time. A deadline inside another can only be earlier."""
    outer = _ends.get()
    end = time.monotonic() + seconds
    token = _ends.set(end if outer is None else min(outer, end))
    try:
        with pymongo.timeout(seconds):
            yield
    finally:
        _ends.reset(token)


def left(most: float) -> float:
    """Seconds a call may take: at most `most`, and what the deadline around it leaves beside our own last writes."""
    end = _ends.get()
    return most if end is None else max(0.05, min(most, end - KEPT_SECONDS - time.monotonic()))
