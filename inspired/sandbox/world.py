"""Everything of a sandbox in one object: what it remembers, its rules, its faults, and what it sends."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from . import calendly
from .chains.nodes import Chains
from .config import Config, Settings
from .faults import Faults
from .keys import KeyRing
from .orders import OrderBook
from .schedule import Calendar
from .store import Store
from .webhooks import Dispatcher

TICK_S = 0.2


class Sandbox:
    def __init__(self, config: Config) -> None:
        self.config = config
        self.store = Store(config.data, config.seed)
        self.keys = KeyRing(self.store)
        self.faults = Faults()
        self.dispatcher = Dispatcher(self.store, self.keys, lambda: self.settings)
        self.orders = OrderBook(self.store, self.dispatcher)
        self.calendar = Calendar(config, self.store, self.dispatcher)
        self.chains = Chains(self.store, lambda: self.settings)
        self.calls = _no_calls()
        self.calendly_minute = calendly.Minute()

    @property
    def settings(self) -> Settings:
        return self.orders.settings

    def change_settings(self, settings: Settings) -> None:
        self.orders.settings = self.calendar.settings = settings

    def start(self) -> None:
        """Webhooks, and the ticker that closes and expires orders on time."""
        self.dispatcher.start()
        threading.Thread(target=self._tick, name="ticker", daemon=True).start()

    def stop(self) -> None:
        self.faults.stopping.set()
        self.dispatcher.stop()
        self.store.close()

    def reset(self, everything: bool = False) -> None:
        """Back to the start; the product may keep its certificates and subscriptions unless everything goes."""
        self.faults.clear()
        self.change_settings(Settings())
        self.store.reset(everything)
        self.chains.reset()
        self.dispatcher.forget()
        self.calendly_minute.forget()
        self.calls = _no_calls()

    def _tick(self) -> None:
        while not self.faults.stopping.wait(TICK_S):
            self.orders.settle_due()


def _no_calls() -> deque[dict[str, Any]]:
    return deque(maxlen=2_000)
