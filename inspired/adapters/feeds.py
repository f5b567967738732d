"""Addresses at which the owner's own calendar can be read as an ICS file, as Google, iCloud and Outlook give them out.

Such an address is a secret: whoever knows it reads the calendar. It is never logged, shown or stored; a feed is known
by a hash of it.
"""

import hashlib
import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from inspired.adapters.http import Http, TooLarge
from inspired.adapters.process import ROOT
from inspired.domain.errors import UpstreamError
from inspired.domain.slots import Span

SERVICE = "own calendar"
LARGEST_FEED = 10 * 1024 * 1024  # ten years of a full calendar; Google and Outlook leave nothing of the past out
FETCH_SECONDS = 10.0
UNFOLD_SECONDS = 15.0
NOT_THERE = (401, 403, 404, 410)


@dataclass(frozen=True, slots=True)
class Found:
    """`busy` is ascending, none touching another. `unread`: entries whose time nobody can tell."""

    busy: tuple[Span, ...]
    unread: int


class Feed:
    def __init__(self, http: Http, url: str, zone: ZoneInfo) -> None:
        self.id = hashlib.sha256(url.encode()).hexdigest()[:16]
        self._http = http
        self._url = url
        self._zone = zone

    def read(self, window: Span) -> Found:
        """What it keeps busy in this window. Raises UpstreamError with a reason for the owner's eyes."""
        return self._unfolded(self._fetched(), window)

    def _fetched(self) -> bytes:
        try:
            answer = self._http.call(
                SERVICE,
                "GET",
                self._url,
                headers={"Accept": "text/calendar"},
                seconds=FETCH_SECONDS,
                what=self.id,
                largest=LARGEST_FEED,
            )
        except UpstreamError as error:
            if str(error).endswith(TooLarge.__name__):
                raise UpstreamError(SERVICE, f"it is larger than {LARGEST_FEED // 1024**2} megabytes") from None
            raise UpstreamError(SERVICE, "no whole answer came from there") from None
        if 300 <= answer.status < 400:
            raise UpstreamError(SERVICE, "the address leads on to another one: that one has to be in the setting")
        if answer.status != 200:
            hint = ": is the address still right?" if answer.status in NOT_THERE else ""
            raise UpstreamError(SERVICE, f"the answer was an error, {answer.status}{hint}")
        return answer.body

    def _unfolded(self, text: bytes, window: Span) -> Found:
        command = (sys.executable, "-m", "inspired.adapters.unfolding", self._zone.key)
        try:
            done = subprocess.run(
                (*command, window.start.isoformat(), window.end.isoformat()),
                input=text,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # a traceback may hold something of the calendar
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
