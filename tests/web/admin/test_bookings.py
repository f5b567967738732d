"""The owner's list: filters, pages, views, files, work on many; and the same for programs."""

import csv
import html
import io
import json
import re
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from inspired.app import create_app
from inspired.domain.accounts.people import Role
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.status import iso
from inspired.domain.shared.errors import Busy
from inspired.domain.shared.timezones import zone
from inspired.flows.booking import bulk_jobs, refreshing
from inspired.services import Services
from inspired.settings import Settings
from inspired.web.admin import bookings, exports, sheets
from tests.flows.steps import confirmed, hold, live, pay
from tests.harness import Servers
from tests.web.admin.test_admin import log_in
from tests.web.admin.test_permissions import logged_in
from tests.web.pages import hidden, send, words

LIST = "/admin/bookings"


@pytest.fixture
def made(svc: Services, sandbox: Servers) -> dict[str, Booking]:
    odd = live(svc, call=2, email="odd@example.com", name="Odd One")
    pay(sandbox, odd, amount="70")
    return {
        "paid": confirmed(svc, sandbox, email="paid@example.com", name="Paid One"),
        "odd": refreshing.refresh(svc, odd.id),
        "held": hold(svc, call=5, type_id="deep-dive", email="held@example.com", name="Held One"),
    }


def shown(page: str) -> list[str]:
    """Ids in the order of the page."""
    return re.findall(r'<td role="cell" data-name="Who" class="cut"><a href="/admin/bookings/([a-z0-9]+)"', page)


def test_the_usual_lists_are_one_click_away_and_say_which_is_shown(owner: FlaskClient, made: dict[str, Booking]):
    page = owner.get(LIST).text
    chips = re.findall(r'<li><a href="([^"]+)"[^>]*>([^<]+)</a></li>', page[page.index('class="chips"') :])
    upcoming = html.unescape({words: url for url, words in chips}["Upcoming"])

    shown_now = owner.get(upcoming).text

    assert '<a href="/admin/bookings" aria-current="true">All</a>' in page
    assert shown(shown_now) == [made["paid"].id]
    assert re.search(r'aria-current="true">Upcoming</a>', shown_now)
    assert "<summary>Filter and sort</summary>" in shown_now
    assert '<details class="filters">' in shown_now, "a list that has a name needs no open filter"


# --- filters --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["held", "paid", "odd"]),
        ("sort=made-oldest", ["odd", "paid", "held"]),
        ("state=CONFIRMED", ["paid"]),
        ("flag=underpaid", ["odd"]),
        ("flag=attention", []),
        ("type=deep-dive", ["held"]),
        ("amount=70", ["odd"]),
        ("amount=75.00", ["paid", "odd"]),
        ("amount=75&type=portfolio-review&state=CONFIRMED&flag=", ["paid"]),
        ("sort=paid-newest", ["paid", "odd"]),
        ("from=2020-01-01&to=2020-12-31", []),
        ("to=2020-12-31T00:00:00Z", []),
        ("from=2020-01-01&state=PENDING", ["held", "odd"]),
    ],
)
def test_the_list_has_what_is_asked_for(owner: FlaskClient, made: dict[str, Booking], query: str, names: list[str]):
    assert shown(owner.get(f"{LIST}?{query}").text) == [made[name].id for name in names if name in made]


def test_calls_come_in_their_order_from_now_on(owner: FlaskClient, made: dict[str, Booking], svc: Services):
    slot = made["held"].slot
    assert slot is not None
    past = replace(
        slot, span=replace(slot.span, start=svc.now() - timedelta(hours=3), end=svc.now() - timedelta(hours=2))
    )
    svc.bookings.change(made["held"].id, lambda b: replace(b, slot=past))

    following = shown(owner.get(f"{LIST}?sort=call-next").text)
    latest = shown(owner.get(f"{LIST}?sort=call-last").text)

    assert following == [made["paid"].id, made["odd"].id]
    assert latest == [made["odd"].id, made["paid"].id, made["held"].id]


def test_a_day_counts_as_a_whole_by_the_owners_clock(owner: FlaskClient, made: dict[str, Booking], svc: Services):
    day = made["paid"].created_at.astimezone(zone(svc.settings.owner_timezone)).date()

    assert len(shown(owner.get(f"{LIST}?from={day}&to={day}").text)) == 3
    assert shown(owner.get(f"{LIST}?from={day + timedelta(days=1)}").text) == []


@pytest.mark.parametrize(
    "query",
    ["state=DRAFT", "state=ann%40example.com", "flag=odd", "type=A%20B", "amount=-1", "amount=x", "sort=name",
     "from=yesterday", "to=2026-99-01", "cursor=abc", "cursor=2026-11-23T14:02:00.000Z/%27"],
)  # fmt: skip
def test_a_senseless_question_is_told_where_it_is_wrong(owner: FlaskClient, query: str):
    answer = owner.get(f"{LIST}?{query}")

    assert answer.status_code == 422
    assert "Please check what is marked." in words(answer.text)
    assert owner.get(f"/api/admin/payments?{query}").status_code == 422


def test_what_is_chosen_stays_chosen(owner: FlaskClient, made: dict[str, Booking]):
    page = owner.get(f"{LIST}?state=CONFIRMED&sort=paid-oldest&amount=75").text

    assert '<option value="CONFIRMED" selected>' in page
    assert '<option value="paid-oldest" selected>' in page
    assert 'name="amount" type="text" value="75"' in page


def test_a_list_without_anything_says_so_and_leads_back(owner: FlaskClient):
    assert "No booking is like that" in words(owner.get(f"{LIST}?state=REFUNDED").text)


# --- pages ----------------------------------------------------------------------------------------------------------


def link(page: str, rel: str) -> str:
    found = re.search(rf'rel="{rel}" href="([^"]+)"', page)
    return found[1].replace("&amp;", "&") if found else ""


def test_pages_lead_on_and_back_with_the_same_filter(
    owner: FlaskClient, svc: Services, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(bookings, "PER_PAGE", 2)
    ids = [hold(svc, call=call, email=f"a{call}@example.com").id for call in range(5)][::-1]
    first = owner.get(f"{LIST}?state=PENDING").text
    second = owner.get(link(first, "next")).text
    third = owner.get(link(second, "next")).text

    assert [shown(one) for one in (first, second, third)] == [ids[:2], ids[2:4], ids[4:]]
    assert (link(first, "prev"), link(third, "next")) == ("", "")
    assert "state=PENDING" in link(second, "next")
    assert shown(owner.get(link(third, "prev")).text) == ids[2:4]
    assert shown(owner.get(link(second, "prev")).text) == ids[:2]


def test_no_address_of_a_page_has_anything_personal(owner: FlaskClient, svc: Services, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bookings, "PER_PAGE", 1)
    for call in range(2):
        hold(svc, call=call, email="ann@example.com", name="Ann")

    addresses = re.findall(r'(?:href|action)="([^"]+)"', owner.get(LIST).text)

    assert not [one for one in addresses if "ann" in one.lower() or "@" in one]


# --- views ----------------------------------------------------------------------------------------------------------


def test_a_view_is_kept_for_whoever_made_it(app: Flask, owner: FlaskClient, made: dict[str, Booking], svc: Services):
    other = logged_in(app, svc, Role.READER)
    values = {"state": "CONFIRMED", "sort": "paid-newest", "from": "2020-01-01"}

    saved = send(owner, "/admin/views", {"name": "Paid", **values, "email": "ann@example.com"}, page=LIST)

    page = owner.get(LIST).text
    address = re.search(r'<a href="([^"]+)">Paid</a>', page)
    assert saved.status_code == 303
    assert address is not None
    assert parse_qs(urlsplit(address[1].replace("&amp;", "&")).query) == {k: [v] for k, v in values.items()}
    assert shown(owner.get(address[1].replace("&amp;", "&")).text) == [made["paid"].id]
    assert ">Paid</a>" not in other.get(LIST).text


def test_a_view_is_removed_by_its_owner_only_and_replaced_by_its_name(app: Flask, owner: FlaskClient, svc: Services):
    person = svc.people.by_email("owner@example.com")
    assert person is not None
    send(owner, "/admin/views", {"name": "Mine", "state": "PAID"}, page=LIST)
    send(owner, "/admin/views", {"name": "Mine", "state": "EXPIRED"}, page=LIST)
    (view,) = svc.saved_views.of(person.id)
    other = logged_in(app, svc, Role.HELPER)

    send(other, f"/admin/views/{view.id}/remove", {}, page=LIST)
    assert [one.query for one in svc.saved_views.of(person.id)] == ["state=EXPIRED"]
    send(owner, f"/admin/views/{view.id}/remove", {}, page=LIST)
    assert svc.saved_views.of(person.id) == []


def test_a_view_needs_a_name_and_there_are_only_so_many(owner: FlaskClient):
    answers = [send(owner, "/admin/views", {"name": f"v{number}"}, page=LIST).status_code for number in range(21)]

    assert answers == [303] * 20 + [409]
    assert send(owner, "/admin/views", {"name": " "}, page=LIST).status_code == 422


# --- files ----------------------------------------------------------------------------------------------------------


def a_trap(svc: Services) -> Booking:
    return hold(svc, call=7, name='=HYPERLINK("http://evil.example","x")', email="+1@example.com")


def exported(client: FlaskClient, kind: str, query: str = "") -> Any:
    answer = client.get(f"{LIST}/export?kind={kind}{query}")
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].endswith(f".{kind}")
    assert answer.headers["Cache-Control"] == "no-store"
    return answer


def test_a_csv_has_the_filtered_list_and_no_formula(owner: FlaskClient, made: dict[str, Booking], svc: Services):
    a_trap(svc)

    answer = exported(owner, "csv", "&type=portfolio-review")
    assert answer.content_type == "text/csv; charset=utf-8"
    text = answer.get_data().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))

    assert [row["email"] for row in rows] == ["'+1@example.com", "paid@example.com", "odd@example.com"]
    assert rows[0]["name"] == '\'=HYPERLINK("http://evil.example","x")'
    assert (rows[2]["received"], rows[1]["state"], rows[1]["price"]) == ("70", "CONFIRMED", "75")
    assert tuple(rows[0]) == exports.COLUMNS


def test_json_has_the_values_as_they_are(owner: FlaskClient, made: dict[str, Booking], svc: Services):
    a_trap(svc)

    rows = json.loads(exported(owner, "json", "&sort=made-oldest").get_data())["bookings"]

    assert [row["booking"] for row in rows][:3] == [made[name].id for name in ("odd", "paid", "held")]
    assert rows[3]["name"].startswith("=HYPERLINK")
    assert rows[1]["made"] == iso(made["paid"].created_at)


def cells(file: bytes) -> list[list[tuple[str, str]]]:
    """Of the only sheet: type and value."""
    space = {"m": exports.MAIN}
    with zipfile.ZipFile(io.BytesIO(file)) as book:
        assert book.testzip() is None
        for name in book.namelist():
            ET.fromstring(book.read(name))  # noqa: S314 - our own
        sheet = ET.fromstring(book.read("xl/worksheets/sheet1.xml"))  # noqa: S314
    return [
        [(cell.get("t", "n"), "".join(cell.itertext())) for cell in row.findall("m:c", space)]
        for row in sheet.findall(".//m:row", space)
    ]


def test_an_xlsx_has_texts_as_texts_and_amounts_as_numbers(owner: FlaskClient, made: dict[str, Booking], svc: Services):
    a_trap(svc)

    head, first, *others = cells(exported(owner, "xlsx").get_data())

    named = dict(zip([name for _, name in head], first, strict=True))
    assert tuple(named) == exports.COLUMNS
    assert named["name"] == ("inlineStr", '=HYPERLINK("http://evil.example","x")')
    assert (named["price"], named["minutes"]) == (("n", "75"), ("n", "45"))
    assert len(others) == 3


@pytest.mark.parametrize("text", ["=1", "+1", "@x", "\tx", "\rx", "\n=1", " =1", "＝1", "＋1", "－1", "＠x"])
def test_whatever_could_be_a_formula_gets_an_apostrophe(text: str):
    assert sheets.plain(text) == f"'{text}"


UNSEEN = [
    "\u200b",
    "\u200c",
    "\u200d",
    "\u2060",
    "\ufeff",
    "\u00ad",
    "\u202e",
    "\u034f",
    "\ufe0f",
    "\u3164",
    "\u2800",
    "\xa0",
]


@pytest.mark.parametrize("before", [*UNSEEN, " \u200b ", "\x00"], ids=ascii)
@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1+1", "@x", "＝1"])
def test_nothing_that_cannot_be_seen_hides_a_formula(before: str, formula: str):
    assert sheets.plain(before + formula) == f"'{before}{formula}"


@given(text=st.text(st.sampled_from([*UNSEEN, *" =+-@\t\r\n1a'＝"]), max_size=6))
def test_what_is_seen_first_in_a_cell_is_no_sign_of_a_formula_unless_it_is_a_number(text: str):
    cell = sheets.plain(text)
    seen = "".join(letter for letter in cell if letter not in UNSEEN).lstrip(" ")

    assert seen[:1] not in tuple("=+-@\t\r\n＝") or re.fullmatch(r"-?\d+", cell)
    assert cell in (text, f"'{text}")


@pytest.mark.parametrize("text", ["", " ", "75", "-1", "-12.5", "Ann", "a=1", "'=1", "P_1", "é"])
def test_what_could_not_stays_as_it_is(text: str):
    assert sheets.plain(text) == text


def test_what_xml_cannot_hold_is_left_out_and_long_amounts_stay_exact():
    row = dict.fromkeys(exports.COLUMNS, "") | {"name": "A\x00\x0b<&>\ufffe", "price": "123456789012.12345678"}

    (_, cells_) = cells(b"".join(exports.as_xlsx([row])))

    named = dict(zip(exports.COLUMNS, cells_, strict=True))
    assert named["name"] == ("inlineStr", "A<&>")
    assert named["price"] == ("inlineStr", "123456789012.12345678")


class Gone:
    """The lists of a database that goes away after so many bookings."""

    def __init__(self, real: Any, after: int, error: Exception) -> None:
        self._real, self._after, self._error = real, after, error

    def each(self, *arguments: Any, **more: Any) -> Iterator[Booking]:
        yield from islice(self._real.each(*arguments, **more), self._after)
        raise self._error


@pytest.fixture(
    params=[Busy("The database does not answer."), LookupError("something unforeseen")], ids=["away", "odd"]
)
def breaking(request: pytest.FixtureRequest, svc: Services, settings: Settings) -> FlaskClient:
    """An owner whose database goes away after two bookings of three."""
    for call in range(3):
        hold(svc, call=call, email=f"a{call}@example.com")
    gone = Gone(svc.lists, 2, request.param)
    client = create_app(replace(svc, lists=gone), settings).test_client()  # type: ignore[arg-type]
    log_in(client)
    return client


def test_a_csv_that_breaks_off_says_so_in_its_last_line(breaking: FlaskClient):
    rows = list(csv.DictReader(io.StringIO(exported(breaking, "csv").get_data().decode("utf-8-sig"))))

    assert [row["email"] for row in rows] == ["a2@example.com", "a1@example.com", ""]
    assert rows[2]["booking"].startswith("NOT COMPLETE: the list broke off here")


def test_json_that_breaks_off_is_none_so_that_no_program_takes_it(breaking: FlaskClient):
    text = exported(breaking, "json").get_data().decode()

    with pytest.raises(ValueError, match="delimiter"):
        json.loads(text)
    assert "a1@example.com" in text
    assert text.splitlines()[-1].startswith("NOT COMPLETE")


def test_an_xlsx_that_breaks_off_says_so_in_its_last_row_and_on_its_sheet(breaking: FlaskClient):
    file = exported(breaking, "xlsx").get_data()

    assert [row[0][1][:12] for row in cells(file)][-1] == "NOT COMPLETE"
    with zipfile.ZipFile(io.BytesIO(file)) as book:
        assert 'sheet name="NOT COMPLETE"' in book.read("xl/workbook.xml").decode()


def test_a_database_that_is_away_from_the_first_is_told_and_no_file_is_given(svc: Services, settings: Settings):
    gone = Gone(svc.lists, 0, Busy("The database does not answer."))
    client = create_app(replace(svc, lists=gone), settings).test_client()  # type: ignore[arg-type]
    log_in(client)

    answers = [client.get(f"{LIST}/export?kind={kind}") for kind in exports.KINDS]

    assert [one.status_code for one in answers] == [503] * 3
    assert not any("Content-Disposition" in one.headers for one in answers)


def test_whole_files_say_nothing_of_it(owner: FlaskClient, svc: Services):
    hold(svc)

    for kind in exports.KINDS:
        assert b"NOT COMPLETE" not in exported(owner, kind).get_data()
    with zipfile.ZipFile(io.BytesIO(exported(owner, "xlsx").get_data())) as book:
        assert 'sheet name="Bookings"' in book.read("xl/workbook.xml").decode()
        assert book.namelist()[0] == "[Content_Types].xml"


def test_files_are_made_while_they_are_sent():
    taken: list[int] = []

    def rows():
        for number in range(50):
            taken.append(number)
            yield dict.fromkeys(exports.COLUMNS, "x" * 200)

    for _, written in exports.KINDS.values():
        taken.clear()
        parts = written(rows())
        next(parts)
        next(parts)
        assert len(taken) <= 2


def test_a_file_is_written_down_and_only_for_the_owner_after_a_login(app: Flask, owner: FlaskClient, svc: Services):
    hold(svc)
    exported(owner, "csv", "&state=PENDING")
    assert (svc.audit.newest(1)[0].what, svc.audit.newest(1)[0].detail) == ("exported", "state=PENDING")
    person = svc.people.by_email("owner@example.com")
    assert person is not None
    (session,) = svc.sessions.of(person.id)
    svc.sessions.freshened(session.id, session.fresh_at - timedelta(hours=1))

    late = owner.get(f"{LIST}/export?kind=csv&state=PENDING&flag=paid_late")
    again = send(owner, "/admin/again", {"password": "a password for tests", "next": parse_qs(
        urlsplit(late.headers["Location"]).query)["next"][0]})  # fmt: skip

    assert late.headers["Location"].startswith("/admin/again")
    assert again.headers["Location"] == f"{LIST}/export?kind=csv&state=PENDING&flag=paid_late"
    assert logged_in(app, svc, Role.HELPER).get(f"{LIST}/export?kind=csv").status_code == 403
    assert owner.get(f"{LIST}/export?kind=exe").status_code == 422


def test_a_file_that_would_be_too_long_says_so_in_its_last_row(
    owner: FlaskClient, svc: Services, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(bookings, "MOST_EXPORTED", 2)
    for call in range(3):
        hold(svc, call=call, email=f"a{call}@example.com")

    rows = json.loads(exported(owner, "json").get_data())["bookings"]

    assert [row["email"] for row in rows] == ["a2@example.com", "a1@example.com", ""]
    assert rows[2]["booking"] == "There are more than 2 bookings."


# --- work on many ---------------------------------------------------------------------------------------------------


def ticked(client: FlaskClient, address: str, name: str, ids: list[str], **more: str) -> Any:
    token = hidden(client.get(LIST).text, "csrf_token")
    return client.post(address, data={"csrf_token": token, name: ids, **more})


def test_asking_binance_about_many_is_looked_at_first_then_followed(
    owner: FlaskClient, svc: Services, sandbox: Servers
):
    paid, other = live(svc), live(svc, call=1, email="b@example.com")
    pay(sandbox, paid)

    looked = ticked(owner, f"{LIST}/chosen", "chosen", [paid.id, other.id])
    assert "Binance is asked about every order of 2 bookings" in words(looked.text)
    assert svc.bookings.get(paid.id) == paid

    begun = ticked(owner, f"{LIST}/chosen/begin", "chosen", [paid.id, other.id, paid.id])
    progress = owner.get(begun.headers["Location"])
    assert "0 of 2 asked" in words(progress.text)
    assert "every 2s" in progress.text
    for booking_id in (paid.id, other.id):
        bulk_jobs.work(svc, begun.headers["Location"].rpartition("/")[2], booking_id)
    done = owner.get(begun.headers["Location"])
    assert "2 of 2 asked: that is all of them." in words(done.text)
    assert "PENDING → CONFIRMED" in words(done.text)
    assert "asked, nothing new" in words(done.text)
    assert "every 2s" not in done.text


def test_all_of_a_page_can_be_meant_without_ticking(owner: FlaskClient, svc: Services):
    ids = [live(svc, call=call, email=f"a{call}@example.com").id for call in range(3)]

    looked = ticked(owner, f"{LIST}/chosen", "shown", ids, all="yes")

    assert "3 bookings" in words(looked.text)


def test_nothing_ticked_is_said_and_too_many_or_unknown_are_refused(owner: FlaskClient):
    assert "Nothing was ticked." in words(ticked(owner, f"{LIST}/chosen", "chosen", []).text)
    assert ticked(owner, f"{LIST}/chosen", "chosen", [str(number) for number in range(101)]).status_code == 422
    assert ticked(owner, f"{LIST}/chosen", "chosen", ["unknown"]).status_code == 404
    assert owner.get("/admin/chores/none").status_code == 404


# --- the same by a program ------------------------------------------------------------------------------------------


def test_a_program_gets_the_same_list_page_by_page(owner: FlaskClient, svc: Services, sandbox: Servers):
    made = [confirmed(svc, sandbox, call=call, email=f"a{call}@example.com") for call in range(3)]
    hold(svc, call=4, email="held@example.com")

    seen, cursor = [], ""
    for _ in range(4):
        query = {"state": "CONFIRMED", "sort": "call-next", "limit": "1", **({"cursor": cursor} if cursor else {})}
        answer = owner.get("/api/admin/payments", query_string=query)
        seen += [one["bookingId"] for one in answer.json["payments"]]
        cursor = answer.json["nextCursor"]
        if cursor is None:
            break

    assert seen == [one.id for one in made]


def test_the_old_way_of_asking_goes_only_with_the_old_order(owner: FlaskClient):
    assert owner.get("/api/admin/payments?before=2026-11-23T14:02:00Z&sort=call-next").status_code == 422
    assert owner.get("/api/admin/payments?before=2026-11-23T14:02:00Z&to=2026-11-23").status_code == 422
    assert owner.get("/api/admin/payments?before=2026-11-23T14:02:00%2B01:00&state=PAID").status_code == 200


def test_the_filters_are_described(client: FlaskClient):
    described = client.get("/api/openapi.json").json["paths"]["/api/admin/payments"]["get"]

    named = {one["name"] for one in described["parameters"]}
    assert named == {"state", "flag", "type", "rail", "amount", "sort", "from", "to", "cursor", "limit", "before"}
    assert set(described["responses"]) >= {"200", "401", "403", "422"}
