"""ICS feeds of the owner's own calendar, as published by Google, iCloud and Outlook.

Such a URL is a secret: it lets anybody read the calendar. It is never logged, shown or stored; a feed is identified by
its hash.
"""

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urljoin, urlsplit
from zoneinfo import ZoneInfo

from inspired.adapters.process.processes import ROOT
from inspired.adapters.providers.http import Answer, Http, TooLarge
from inspired.domain.shared.errors import UpstreamError
from inspired.domain.shared.slots import Span

SERVICE = "own calendar"
LARGEST_FEED = 10 * 1024 * 1024  # ten years of a full calendar; Google and Outlook include all past entries
FETCH_SECONDS = 10.0  # in total, redirects included
UNFOLD_SECONDS = 15.0
MOST_HOPS = 3
LEADS_ON = (301, 302, 303, 307, 308)
NOT_THERE = (401, 403, 404, 410)


@dataclass(frozen=True, slots=True)
class Found:
    """`busy` is ascending and without touching spans. `unread`: entries whose time is unknown or uncertain."""

    busy: tuple[Span, ...]
    unread: int


class Feed:
    def __init__(
        self, http: Http, url: str, zone: ZoneInfo, *, outside: Http | None = None, addresses: Sequence[str] = ()
    ) -> None:
        """`outside`: the client for redirect targets, which third parties choose; normally limited to public addresses.
        `addresses`: the owner's addresses as an invitee, so that what they decline counts as free."""
        self.id = hashlib.sha256(url.encode()).hexdigest()[:16]
        self._http = http
        self._url = url
        self._zone = zone
        self._outside = outside or Http(public_only=True)
        self._addresses = tuple(addresses)

    def read(self, window: Span) -> Found:
        """The busy times in this window. Raises UpstreamError with a reason for the owner."""
        return self._unfolded(self._fetched(), window)

    def _fetched(self) -> bytes:
        end, url, door = time.monotonic() + FETCH_SECONDS, self._url, self._http
        for _ in range(MOST_HOPS + 1):
            answer = self._asked(door, url, max(0.1, end - time.monotonic()))
            if answer.status == 200:
                return answer.body
            if answer.status not in LEADS_ON:
                hint = ": is the address still right?" if answer.status in NOT_THERE else ""
                raise UpstreamError(SERVICE, f"the answer was an error, {answer.status}{hint}")
            url, door = self._led_on(url, answer.headers.get("location", "")), self._outside
        raise UpstreamError(
            SERVICE, f"the address leads on more than {MOST_HOPS} times: please put the last of them into the setting"
        )

    def _led_on(self, url: str, location: str) -> str:
        """The redirect target, by the rules of the setting. Raises UpstreamError."""
        there = urljoin(url, location.strip()).replace("webcal:", "https:", 1)
        try:
            parts = urlsplit(there)
            is_open = parts.scheme == "https" or (parts.scheme == "http" and self._url.startswith("http:"))
            if location and is_open and parts.hostname and parts.username is None:
                return there
        except ValueError:
            pass
        raise UpstreamError(
            SERVICE,
            "the address leads on to one that is not an https address: please put the right one into the setting",
        )

    def _asked(self, door: Http, url: str, seconds: float) -> Answer:
        try:
            return door.call(
                SERVICE,
                "GET",
                url,
                headers={"Accept": "text/calendar"},
                seconds=seconds,
                what=self.id,
                largest=LARGEST_FEED,
            )
        except UpstreamError as error:
            if str(error).endswith(TooLarge.__name__):
                raise UpstreamError(SERVICE, f"it is larger than {LARGEST_FEED // 1024**2} megabytes") from None
            raise UpstreamError(SERVICE, "no whole answer came from there") from None

    def _unfolded(self, text: bytes, window: Span) -> Found:
        command = (sys.executable, "-m", "inspired.adapters.providers.ics_worker", self._zone.key)
        try:
            done = subprocess.run(
                (*command, window.start.isoformat(), window.end.isoformat(), *self._addresses),
                input=text,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # a traceback may contain parts of the calendar
                timeout=UNFOLD_SECONDS,
                cwd=ROOT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise UpstreamError(SERVICE, "it takes too long to read") from None
        if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
            raise UpstreamError(SERVICE, "it takes too long to read")
        if done.returncode:
            raise UpstreamError(SERVICE, "it is not a calendar that can be read")
        told = json.loads(done.stdout)
        if "refused" in told:
            raise UpstreamError(SERVICE, told["refused"])
        busy = (Span(datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in told["busy"])
        return Found(tuple(busy), told["unread"])
