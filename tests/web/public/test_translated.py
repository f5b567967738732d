"""Every text on a customer's page goes through the catalogue: in a language that wraps each text in ⟦…⟧, what stands
outside of the brackets is data. And each text that is asked for is one that translators are given."""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import date, datetime
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient

from inspired.domain.booking import customer_actions
from inspired.domain.booking.booking import Booking
from inspired.domain.catalogue.meeting_types import MEETING_TYPES
from inspired.domain.sentences import rails
from inspired.domain.shared.languages import IN_ENGLISH, Language, read_in
from inspired.domain.shared.networks import Network
from inspired.domain.site.preferences import Brand, Home
from inspired.flows.booking import booking as booking_flow
from inspired.flows.booking import refreshing, refunding
from inspired.services import Services
from inspired.web.shared import languages
from tests import messages
from tests.flows import on_chain
from tests.flows.steps import confirmed, later, live, lost_time, pause_payments, pay, refuse_calls
from tests.harness import Servers
from tests.web.pages import HTMX, hidden, send

ATTRIBUTES = ("aria-label", "alt", "title", "placeholder", "hx-confirm", "data-copied", "data-failed", "data-lost")
ATTRIBUTES += ("data-silent",)
NOT_READ = ("script", "style", "select", "code")
DATA = [
    *(one.title for one in MEETING_TYPES),
    *(one.summary for one in MEETING_TYPES),
    *(item for one in MEETING_TYPES for item in one.includes),
    *(Home().headline, Home().lead, Brand().name, Brand().line),
    *(
        "USDT",
        "Binance Pay",
        "Binance",
        "Calendly",
        "status.json",
        "https://meet.example/room",
        "Ann Example",
        "ann@example.com",
    ),
    *(network.facts.name for network in Network),
    *(network.value for network in Network),
]


class Wrapped(Language):
    code = "ar"

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def text(self, english: str) -> str:
        self.asked.add(english)
        return f"⟦{english}⟧"

    def counted(self, one: str, many: str, number: int) -> str:
        self.asked |= {one, many}
        return f"⟦{one if number == 1 else many}⟧"

    def full_date(self, day: date) -> str:
        return "⟦a date⟧"

    long_date = short_date = day_and_month = weekday = short_weekday = full_date

    def clock(self, moment: datetime) -> str:
        return f"{moment:%H:%M}"


class Read(HTMLParser):
    """What a person reads or hears: `shown` without what is data by its mark-up, `attributes` beside it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.shown, self.attributes = "", list[str]()
        self._inside: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.attributes += [value for name in ATTRIBUTES if (value := given.get(name))]
        is_data = tag in NOT_READ or "mono" in (given.get("class") or "").split() or "hreflang" in given
        if self._inside or is_data:
            if tag not in ("input", "br", "meta", "link", "path", "rect", "img", "option"):
                self._inside.append(tag)
        elif tag not in ("strong", "a", "span", "small"):
            self.shown += "\n"

    def handle_endtag(self, tag: str) -> None:
        if self._inside and tag == self._inside[-1]:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.shown += data


def outside(text: str) -> str:
    """What no bracket is around."""
    depth, found = 0, ""
    for letter in text:
        depth += {"⟦": 1, "⟧": -1}.get(letter, 0)
        found += letter if depth == 0 else ""
    assert depth == 0, text
    for known in sorted(DATA, key=len, reverse=True):
        found = found.replace(known, "")
    found = re.sub(r"[A-Z][A-Za-z_]+/[A-Za-z_/]+|UTC([+−]\d\d:\d\d)?", "", found)
    return " ".join(re.findall(r"[^\W\d_].*", found.replace("⟧", "")))


@pytest.fixture
def wrapped(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wrapped]:
    language = Wrapped()
    monkeypatch.setattr(languages, "language", lambda code: IN_ENGLISH if code == "en" else language)
    monkeypatch.setattr(languages, "available", lambda: {"en": "English", "ar": "العربية"})
    yield language
    read_in(IN_ENGLISH)
    known = {text for found in messages.everything() for text in forms(found.text)}
    owners = {text for words in rails.WORDS.values() for text in asdict(words).values()}
    assert language.asked - known - owners - {""} == set(), "asked for, and not collected for translators"


def forms(text: str | tuple[str, str]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else text


@pytest.fixture
def look(client: FlaskClient, wrapped: Wrapped) -> Callable[..., str]:
    """Opens the page, and finds no text on it that is not translated."""
    client.set_cookie("language", "ar")

    def open_(address: str, status: int = 200, page: str = "", **how: object) -> str:
        if not page:
            answer = client.get(address, **how)  # type: ignore[arg-type]
            assert answer.status_code == status, answer.text
            page = answer.text
        read = Read(page)
        left = [*filter(None, map(outside, read.shown.split("\n\n"))), *filter(None, map(outside, read.attributes))]
        assert left == [], address
        return page

    return open_


Look = Callable[..., str]


def page_of(booking: Booking) -> str:
    return f"/booking/{booking.token}"


@pytest.mark.parametrize("path", ["/", "/how-to-pay", "/terms", "/privacy", "/status", "/help"])
def test_pages_of_the_site(look: Look, path: str):
    assert "⟦" in look(path)


def test_pages_of_the_site_where_all_can_be_paid(look: Look, svc: Services, sandbox: Servers):
    on_chain.receive_on_chain(svc, sandbox)

    for path in ("/", "/how-to-pay", "/terms", "/privacy", "/status", "/book/portfolio-review"):
        look(path)


def test_errors(look: Look, client: FlaskClient):
    look("/nowhere", 404)
    look("/book/none", 404)
    look("/newsletter", 405)


def test_the_newsletter(look: Look, client: FlaskClient, svc: Services):
    look("", page=send(client, "/newsletter", {"email": "no address"}, page="/").text)
    look("", page=send(client, "/newsletter", {"email": "ann@example.com"}, page="/").text)


def test_questions(look: Look, client: FlaskClient, svc: Services):
    fields = {"form_token": svc.new_token(), "email": "ann@example.com", "text": "⟦Hello⟧", "topic": "OTHER"}
    topics = re.findall(r'name="topic" value="([^"]+)"', client.get("/help").text)
    fields["topic"] = topics[0]

    look("", page=send(client, "/help", {}).text)
    look(send(client, "/help", fields).headers["Location"])
    booking = live(svc)
    look(f"{page_of(booking)}/help")
    send(client, f"{page_of(booking)}/help", fields)
    look(f"{page_of(booking)}/help")


def test_choosing_a_time(look: Look, client: FlaskClient):
    page = look("/book/portfolio-review")
    other = look("/book/portfolio-review", query_string={"tz": "Asia/Tokyo"})
    start = re.findall(r'name="start" value="([^"]+)"', other)[0]
    far = re.findall(r'id="later"[^>]* href="([^"]+)"', other)

    look("/book/portfolio-review", query_string={"tz": "Asia/Tokyo", "start": start}, headers=HTMX)
    look(html.unescape(far[0]), query_string=None)
    wrong = {"csrf_token": hidden(page, "csrf_token"), "form_token": "x", "name": "<", "email": "@"}
    look("", page=client.post("/book/portfolio-review", data=wrong).text)


def test_while_nothing_can_be_paid(look: Look, client: FlaskClient, svc: Services, sandbox: Servers):
    booking = live(svc)
    pause_payments(svc, sandbox)

    look("/book/portfolio-review", 503)
    look("/book/portfolio-review", headers=HTMX)
    look(page_of(booking))


def test_while_our_calls_are_refused(look: Look, svc: Services, sandbox: Servers):
    refuse_calls(svc, sandbox)

    look("/book/portfolio-review", 503)
    look("/book/portfolio-review", headers=HTMX)


def test_an_unpaid_booking(look: Look, client: FlaskClient, svc: Services):
    booking = live(svc)

    for page in ("", "/payment", "/give-up", "/time", "?asked=yes", "?asked=no"):
        look(page_of(booking) + page)
    booking_flow.give_up(svc, booking.token)
    look(page_of(booking))
    refreshing.refresh(svc, booking.id)
    look(page_of(booking))
    look(f"{page_of(booking)}/time", 409)


def test_a_booking_whose_time_to_pay_is_over(look: Look, svc: Services):
    booking = live(svc)
    svc.bookings.change(booking.id, lambda one: replace(one, expires_at=svc.now()))

    look(page_of(booking))


def test_a_confirmed_booking(look: Look, svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)

    for page in ("", "/cancel", "/time"):
        look(page_of(booking) + page)
    refunding.cancel(svc, booking.token, customer_actions.goes_back(booking, svc.now()))
    look(page_of(booking))
    refreshing.refresh(svc, booking.id)
    look(page_of(booking))


def test_a_booking_without_its_time(look: Look, client: FlaskClient, svc: Services, sandbox: Servers):
    booking = lost_time(svc, sandbox)

    for page in ("", "/time", "/money-back"):
        look(page_of(booking) + page)
    send(client, f"{page_of(booking)}/money-back", {})
    look(page_of(booking))


def test_too_little_and_late(look: Look, svc: Services, sandbox: Servers):
    little = live(svc)
    pay(sandbox, little, amount="50")
    look(page_of(refreshing.refresh(svc, little.id)))
    late = live(svc, call=3, email="bob@example.com")
    refreshing.refresh(later(svc, hours=1), late.id)
    look(page_of(late))


def test_a_booking_on_chain(look: Look, client: FlaskClient, svc: Services, sandbox: Servers):
    on_chain.receive_on_chain(svc, sandbox)
    tron = on_chain.Chain(sandbox, Network.TRC20)
    page = look("/book/portfolio-review")
    start = re.findall(r'name="start" value="([^"]+)"', page)[0]
    form = {name: hidden(page, name) for name in ("csrf_token", "form_token", "tz")}
    form |= {"start": start, "name": "Ann", "email": "ann@example.com", "terms": "yes", "pay_by": "TRC20"}
    made = client.post("/book/portfolio-review", data=form).headers["Location"]

    look(made)
    look(f"{made}/sent")
    look("", page=send(client, f"{made}/sent", {"transaction": "0x" + "ab" * 32}).text)
    look("", page=send(client, f"{made}/sent", {"transaction": "none"}).text)
    booking = on_chain.paid(svc, tron, call=5)
    look(page_of(booking))
    booking = on_chain.refunded(svc, booking)
    address = f"{page_of(booking)}/refund-address/TRC20"
    for one in (page_of(booking), address):
        look(one)
    look("", page=send(client, address, {"address": "none"}).text)
    booking = on_chain.named(svc, booking, tron)
    look(address)
    look(f"{address}/{on_chain.secret_of(svc, booking, tron)}")
    look(f"{address}/outdated", 409)
    booking = on_chain.confirmed(svc, booking, tron)
    for one in (page_of(booking), address):
        look(one)


@pytest.mark.parametrize("env_changes", [{"CALENDAR": "calendly"}])
def test_times_that_are_chosen_in_calendly(look: Look, client: FlaskClient, sandbox: Servers):
    look("/book/portfolio-review")
    look("/privacy")
    made = send(client, "/book/portfolio-review", {"terms": "yes"}).headers["Location"]
    look(made)
    look("", page=send(client, f"{made}/picked", {}, page=made).text)
