"""The web server, started with the application's modules already loaded: `python -m inspired.preloaded`, by `web`.

Its workers are forked from it, so they share the memory of everything that is loaded here and never changed. Nothing
opens a connection or starts a thread before the fork; wsgi.py does that, once in every worker.
"""

import gc

from granian.cli import entrypoint

import inspired.app  # noqa: F401 - to have it loaded
from inspired.adapters.process.processes import few_arenas

if __name__ == "__main__":
    few_arenas()
    gc.collect()
    gc.freeze()  # a later collection would write to the shared pages
    entrypoint()  # type: ignore[no-untyped-call]
