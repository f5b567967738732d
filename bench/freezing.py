"""Processes of the running product, stopped for a while: alive, and silent."""

import contextlib
import os
import signal
from collections.abc import Iterator

from bench.product import Product


@contextlib.contextmanager
def frozen(product: Product, *names: str) -> Iterator[None]:
    pids = [int(product.dev.ready["pids"][name]) for name in names]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
