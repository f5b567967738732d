"""Refusals that concern the caller, not the call: every call is refused alike. Pure.

https://developers.binance.com/docs/binance-pay/api-common (codes) · …/faq (what its gateway answers)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

_ACCOUNT = "Binance has closed or restricted this merchant account, or the product is not enabled for it."
_CHANGED = "Binance Pay wants to be called in another way than this version does."
_TURNED_AWAY = "Something in front of Binance Pay turns this server away: its address, or the region it is in."

# By Binance's code, or by HTTP status if the answer has none.
CAUSES: Mapping[str, str] = {
    "400002": "Our signature is not accepted: BINANCE_PAY_SECRET_KEY does not belong to BINANCE_PAY_API_KEY.",
    "400003": "This server’s clock differs from Binance’s by more than about a second.",
    "400004": "The key was revoked or lacks a permission, or this server’s address is not on the key’s list.",
    "400005": "BINANCE_PAY_API_KEY does not have the form of a key.",
    "400006": _CHANGED,
    "400007": _CHANGED,
    "400203": _ACCOUNT,
    "400206": _ACCOUNT,
    "400606": _ACCOUNT,
    "HTTP 401": _TURNED_AWAY,
    "HTTP 403": _TURNED_AWAY,
    "HTTP 451": "Binance does not serve the region this server is in.",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Every call is refused. `code` and `words` are the service's own; `times`: how often in a row, as far as counted.

    `since`: the first of them. `until`: nothing new is started before then, unless calls are accepted earlier.
    """

    code: str
    words: str
    times: int
    since: datetime
    until: datetime

    @property
    def told(self) -> str:
        """Binance's words, then our explanation."""
        quoted = f" “{self.words}”" if self.words else ""
        return f"{self.code}{quoted}: {CAUSES.get(self.code, 'A cause this version does not know.')}"


def concerns_every_call(code: str) -> bool:
    """True if a refusal with this code says nothing about the call it answers."""
    return code in CAUSES
