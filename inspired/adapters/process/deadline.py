"""The time left for the current request. The web path answers within 3 s even if everything behind it is frozen.

`within` is set once around a request; the database driver and the HTTP client both respect what is left.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import pymongo

KEPT_SECONDS = 0.6  # for saving the call's result: an answer that cannot be saved is useless
_ends: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Everything inside shares this time. A nested deadline can only be earlier."""
    outer = _ends.get()
    end = time.monotonic() + seconds
    token = _ends.set(end if outer is None else min(outer, end))
    try:
        with pymongo.timeout(seconds):
            yield
    finally:
        _ends.reset(token)


def left(most: float) -> float:
    """Seconds a call may take: at most `most`, and what the surrounding deadline leaves besides our final writes."""
    end = _ends.get()
    return most if end is None else max(0.05, min(most, end - KEPT_SECONDS - time.monotonic()))
