"""Lines are counted while a test runs that is there to count them, and at no other time.

With Python before 3.12 whatever runs while lines are counted takes two to three times as long, our own code or not.
pytest-cov counts from the first import to the end. In a process of pytest-xdist it counts twice: it begins as in a run
without such processes too, and nobody reads that count. Its mark `no_cover` would stop one and leave the other.
"""

import importlib
import pkgutil
from collections.abc import Generator
from fnmatch import fnmatch
from typing import Any

import pytest

import inspired
from tests.harness import ROOT

# These start the product in processes of their own, where nothing is counted, or read its source.
COUNTING_NOTHING = (
    *(f"tests/{folder}/*" for folder in ("bench", "dev", "faults", "journeys", "sandbox")),
    *(f"tests/test_{name}.py" for name in ("architecture", "clocks", "commands", "docs")),
)


def counts(item: pytest.Item) -> bool:
    path = item.path.relative_to(ROOT).as_posix() if item.path.is_relative_to(ROOT) else ""
    return item.get_closest_marker("no_cover") is None and not any(fnmatch(path, one) for one in COUNTING_NOTHING)


class Counting:
    """Takes the count of pytest-cov in hand."""

    def __init__(self, plugin: Any, *, is_worker: bool) -> None:
        self._plugin = plugin
        self._is_worker = is_worker
        if is_worker:
            plugin.cov_controller.cov.stop()  # the one begun by mistake; the other begins with the session

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        """What runs when a module is imported is counted here, by one process for all."""
        if not self._is_worker:
            omitted = self._plugin.cov_controller.cov.get_option("run:omit")
            for module in pkgutil.walk_packages(inspired.__path__, "inspired."):
                path = module.name.replace(".", "/")
                if not any(fnmatch(f"{path}.py", one) or fnmatch(f"{path}/__init__.py", one) for one in omitted):
                    importlib.import_module(module.name)
        # Else it looks at each beginning through all that was imported before.
        self._plugin.cov_controller.cov._warn_preimported_source = False
        self._plugin.cov_controller.pause()
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        try:
            return (yield)
        finally:
            if not counts(item):  # pytest-cov goes on counting after the call of a test with its mark
                self._plugin.cov_controller.pause()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        if not counts(item):
            return (yield)
        self._plugin.cov_controller.resume()
        try:
            return (yield)
        finally:
            self._plugin.cov_controller.pause()


def begin(config: pytest.Config) -> None:
    plugin = config.pluginmanager.getplugin("_cov")
    if plugin is not None and plugin.cov_controller is not None:
        config.pluginmanager.register(Counting(plugin, is_worker=hasattr(config, "workerinput")))
