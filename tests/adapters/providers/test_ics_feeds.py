"""The owner's own calendar at its address: read whole, or a reason for the owner that gives no address away."""

import io
import logging
import time
from functools import partial
from zoneinfo import ZoneInfo

import pytest

from inspired.adapters.providers import ics_feeds
from inspired.adapters.providers.http import Http
from inspired.adapters.providers.ics_feeds import Feed
from inspired.domain.shared.errors import UpstreamError
from tests.adapters.listeners import Behaviour, answering, failure_of, listening
from tests.adapters.providers.test_ics_worker import MOST_TIMES, WINDOW, entry, feed
from tests.harness import free_port

LONDON = ZoneInfo("Europe/London")
SECRET = "/private-0123456789abcdef/basic.ics?key=0123456789"
ONE = feed(entry("DTSTART:20270302T100000Z", "DTEND:20270302T110000Z"), entry("DTSTART:never", uid="b"))


def why(behave: Behaviour) -> str:
    """The reason that reading this failed with."""
    with listening(behave) as server:
        error = failure_of(lambda: Feed(Http(), server.address + SECRET, LONDON, outside=Http()).read(WINDOW))
    assert error is not None
    return str(error).removeprefix("own calendar: ")


def test_a_feed_is_read_by_a_process_of_its_own_and_only_its_times_come_back():
    with listening(answering(ONE)) as server:
        found = Feed(Http(), server.address + SECRET, LONDON).read(WINDOW)

    [busy] = found.busy
    assert (busy.start.isoformat(), busy.end.isoformat()) == ("2027-03-02T10:00:00+00:00", "2027-03-02T11:00:00+00:00")
    assert found.unread == 1
    [request] = server.requests
    assert request.startswith(f"GET {SECRET} HTTP/1.1\r\n".encode())


def test_a_feed_is_asked_for_by_a_name_of_our_own():
    with listening(answering(ONE)) as server:
        Feed(Http(), server.address + SECRET, LONDON).read(WINDOW)

    assert b"\r\nUser-Agent: inspired-analyst\r\n" in server.requests[0]


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Moved", "308 Moved"])
def test_an_address_that_leads_on_is_followed_and_nothing_secret_goes_along(status: str):
    with listening(answering(ONE)) as there:
        on = answering(b"", status=status, headers=f"Location: {there.address}/there.ics\r\n")
        with listening(on) as here:
            address = here.address.replace("http://", "http://owner:secret@")
            found = Feed(Http(), f"{address}/feed?key=1", LONDON, outside=Http()).read(WINDOW)

    assert len(found.busy) == 1
    [request] = there.requests
    assert request.startswith(b"GET /there.ics HTTP/1.1\r\n")
    assert b"Authorization" not in request
    assert b"key=1" not in request


def test_an_address_may_lead_on_three_times_and_not_four():
    def leading(left: list[int], connection, request):
        left[0] -= 1
        if left[0] < 0:
            answering(ONE)(connection, request)
        else:
            answering(b"", status="302 Found", headers="Location: /on\r\n")(connection, request)

    with listening(partial(leading, [3])) as server:
        assert len(Feed(Http(), server.address, LONDON, outside=Http()).read(WINDOW).busy) == 1
    assert why(partial(leading, [4])).startswith("the address leads on more than 3 times")


def test_an_address_that_leads_into_our_own_network_is_not_followed():
    with listening(answering(ONE)) as inside:
        on = answering(b"", status="302 Found", headers=f"Location: {inside.address}/\r\n")
        with listening(on) as server:
            error = failure_of(lambda: Feed(Http(), server.address, LONDON).read(WINDOW))

    assert (str(error), inside.requests) == ("own calendar: no whole answer came from there", [])


def test_an_https_address_leads_on_to_none_without():
    feed = Feed(Http(), "https://example.org/a.ics", LONDON)

    assert feed._led_on("https://example.org/a.ics", "webcal://example.net/b.ics") == "https://example.net/b.ics"
    with pytest.raises(UpstreamError, match="not an https address"):
        feed._led_on("https://example.org/a.ics", "http://example.org/b.ics")


def test_what_the_owner_has_declined_is_free():
    declined = entry(
        "DTSTART:20270302T100000Z", "DURATION:PT1H", "ATTENDEE;PARTSTAT=DECLINED:mailto:me@example.com", uid="no"
    )
    with listening(answering(feed(declined))) as server:
        busy = [
            len(Feed(Http(), server.address, LONDON, addresses=addresses).read(WINDOW).busy)
            for addresses in ((), ("me@example.com",))
        ]

    assert busy == [1, 0]


def test_a_long_calendar_is_read_whole():
    """Many years of somebody's: larger than any other answer may be."""
    past = entry("DTSTART:20170302T100000Z", "DTEND:20170302T110000Z", f"DESCRIPTION:{'x' * 2000}", uid="past")
    now = entry("DTSTART:20270302T100000Z", "DTEND:20270302T110000Z", uid="now")

    with listening(answering(feed(*[past] * 1500, now))) as server:
        assert len(Feed(Http(), server.address, LONDON).read(WINDOW).busy) == 1


@pytest.mark.parametrize(
    ("behave", "told"),
    [
        (answering(b"", status="500 Oh"), "the answer was an error, 500"),
        (answering(b"", status="404 No"), "the answer was an error, 404: is the address still right?"),
        (answering(ONE, status="206 Partial Content"), "the answer was an error, 206"),
        (
            answering(b"", status="302 Found", headers="Location: /elsewhere\r\n"),
            "the address leads on more than 3 times: please put the last of them into the setting",
        ),
        *(
            (
                answering(b"", status="302 Found", headers=location),
                "the address leads on to one that is not an https address: please put the right one into the setting",
            )
            for location in ("", "Location: ftp://example.org/a.ics\r\n", "Location: https://a:b@example.org/\r\n")
        ),
        (answering(b"<html>Please log in</html>"), "it is not a calendar"),
        (answering(b"x" * (ics_feeds.LARGEST_FEED + 1)), "it is larger than 10 megabytes"),
        (lambda connection, _: connection.close(), "no whole answer came from there"),
        (lambda connection, _: connection.sendall(b"HTTP/1.1 200 OK\r\n"), "no whole answer came from there"),
        (
            answering(
                feed(
                    *(
                        entry("DTSTART:20270302T100000Z", "DURATION:PT1M", "RRULE:FREQ=DAILY", uid=f"{number}")
                        for number in range(MOST_TIMES // 365 + 1)
                    )
                )
            ),
            "it holds more than 10,000 busy times in a year",
        ),
    ],
    ids=[
        "500",
        "404",
        "a part",
        "leads on",
        "nowhere",
        "by ftp",
        "as somebody",
        "a page",
        "huge",
        "closed",
        "frozen",
        "too many",
    ],
)
def test_what_cannot_be_read_is_told_with_its_reason(behave: Behaviour, told: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ics_feeds, "FETCH_SECONDS", 2.0)

    assert why(behave) == told


def test_a_feed_that_drips_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch):
    def drip(connection, request):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            connection.sendall(b"B")
            time.sleep(0.05)

    monkeypatch.setattr(ics_feeds, "FETCH_SECONDS", 0.5)
    started = time.monotonic()

    assert why(drip) == "no whole answer came from there"
    assert time.monotonic() - started < 3


def test_a_text_that_takes_too_long_to_read_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ics_feeds, "UNFOLD_SECONDS", 0.01)

    assert why(answering(ONE)) == "it takes too long to read"


def test_nobody_there_is_a_reason_as_well():
    error = failure_of(lambda: Feed(Http(), f"http://127.0.0.1:{free_port()}{SECRET}", LONDON).read(WINDOW))

    assert str(error) == "own calendar: no whole answer came from there"


def broken_head(connection, request):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nthis is no header\r\nA: b\r\n\r\nok")


@pytest.mark.parametrize("behave", [answering(ONE), answering(b"", status="404 No"), broken_head])
def test_neither_log_nor_reason_gives_the_address_or_the_calendar_away(
    behave: Behaviour, capsys: pytest.CaptureFixture[str]
):
    logged = io.StringIO()
    handler = logging.StreamHandler(logged)
    logging.getLogger().addHandler(handler)
    try:
        with listening(behave) as server:
            one = Feed(Http(), server.address + SECRET, LONDON)
            error = failure_of(lambda: one.read(WINDOW))
    finally:
        logging.getLogger().removeHandler(handler)

    shown = f"{one!r} {error!r}" + logged.getvalue() + "".join(capsys.readouterr())
    assert one.id in shown, "something was logged"
    for canary in ("0123456789", "private", "Dentist", server.address):
        assert canary not in shown
