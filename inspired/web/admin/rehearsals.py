"""Rehearsal pages: all drills with their last verdict, the record of one drill, and the state of the gate."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from html.parser import HTMLParser

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue

from inspired.domain.booking.booking import Booking
from inspired.domain.monitoring import runbook
from inspired.domain.monitoring.rehearsals import Opened, Record, Run, Verdict
from inspired.domain.shared.errors import NotFound
from inspired.flows.monitoring import rehearsing
from inspired.rehearsal.drill import Drill
from inspired.rehearsal.running import BY_HAND, GROUPS, IDS, drill_called
from inspired.services import Services
from inspired.web.shared import auth
from inspired.web.shared.current import services
from inspired.web.shared.display import badge, stage_of, told
from inspired.web.shared.htmx import go, wants_fragment

VERDICTS = {
    Verdict.WAITING: ("waits for the worker", "wait"),
    Verdict.RUNNING: ("being played", "wait"),
    Verdict.GREEN: ("green", "good"),
    Verdict.RED: ("red", "bad"),
}
NEVER, STALE = ("never played", "quiet"), ("green for another version", "quiet")
NOT_BEGUN, STOPPED = ("no worker came", "bad"), ("its worker was stopped", "bad")

bp = Blueprint("rehearsals", __name__, url_prefix="/admin/rehearsal")
bp.before_request(auth.admit)


@bp.get("/")
def drills() -> str:
    template = "admin/rehearsals/_drills.html" if wants_fragment() else "admin/rehearsals/drills.html"
    return render_template(template, **_room(services()))


@bp.post("/run")
def run_all() -> ResponseReturnValue:
    svc = services()
    newest = svc.rehearsals.newest()
    idle = [drill for drill in IDS if not rehearsing.is_at_work(svc, newest.get(drill, (None, None))[0])]
    _ask(svc, idle)
    return go(
        url_for("rehearsals.drills"), said="The drills are played in the background. Nothing of the site is touched."
    )


@bp.get("/<drill_id>")
def drill(drill_id: str) -> str:
    found = drill_called(drill_id)
    template = "admin/rehearsals/_drill.html" if wants_fragment() else "admin/rehearsals/drill.html"
    return render_template(template, **_played(services(), found))


@bp.post("/<drill_id>/run")
def run(drill_id: str) -> ResponseReturnValue:
    svc, found = services(), drill_called(drill_id)
    asked = svc.rehearsals.newest().get(found.id, (None, None))[0]
    if not rehearsing.is_at_work(svc, asked):
        _ask(svc, [found.id])
    said = "The drill is played in the background. Nothing of the site is touched."
    return go(url_for("rehearsals.drill", drill_id=found.id), said=said)


def _ask(svc: Services, drill_ids: list[str]) -> None:
    person = auth.who(svc)
    rehearsing.ask(svc, drill_ids, person.id if person else "")


# --- all drills -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """One drill with its last finished run; `words` and `tone` describe its current state."""

    drill: Drill
    last: Run | None
    words: str
    tone: str


def _room(svc: Services) -> dict[str, object]:
    newest = svc.rehearsals.newest()
    groups = [
        (group.title, [_row(svc, played, *newest.get(played.id, (None, None))) for played in group.drills])
        for group in GROUPS
    ]
    rows = [row for _, rows in groups for row in rows]
    at_work = [row.drill.id for row in rows if rehearsing.is_at_work(svc, newest.get(row.drill.id, (None, None))[0])]
    return {
        "groups": groups,
        "at_work": at_work,
        "green": sum(row.words == "green" for row in rows),
        "red": [row.drill for row in rows if row.tone == "bad"],
        "count": len(rows),
        "gate": gate(svc),
        "version": svc.gate.version,
    }


def _row(svc: Services, drill: Drill, asked: Run | None, last: Run | None) -> Row:
    return Row(drill, last, *_standing(svc, asked, last))


def _standing(svc: Services, asked: Run | None, last: Run | None) -> tuple[str, str]:
    if asked is not None and rehearsing.is_at_work(svc, asked):
        return VERDICTS[asked.verdict]
    if asked is not None and not asked.verdict.is_final:
        return STOPPED if asked.began_at else NOT_BEGUN
    if last is None:
        return NEVER
    return STALE if last.verdict is Verdict.GREEN and last.version != svc.gate.version else VERDICTS[last.verdict]


@dataclass(frozen=True, slots=True)
class GateShown:
    """`is_needed`: only with real keys. `opened`: since when it is open for this version, and by whom."""

    is_needed: bool
    opened: Opened | None
    by: str = ""


def gate(svc: Services) -> GateShown:
    opened = svc.gate.opened() if svc.gate.is_needed else None
    return GateShown(svc.gate.is_needed, opened, name_of(svc, opened.by) if opened else "")


def name_of(svc: Services, person_id: str) -> str:
    """Who requested a run, for display."""
    if person_id == BY_HAND:
        return "from the command line"
    try:
        return f"by {svc.people.get(person_id).email}"
    except NotFound:
        return "by somebody whose account is gone"


# --- one drill ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """What one customer's page showed at one step. `lines`: its whole text."""

    who: str
    badge: str
    tone: str
    told: str
    lines: list[str]


def _played(svc: Services, drill: Drill) -> dict[str, object]:
    asked, last = svc.rehearsals.newest().get(drill.id, (None, None))
    words, tone = _standing(svc, asked, last)
    whole = svc.rehearsals.get(last.id) if last else None
    return {
        "drill": drill,
        "is_at_work": rehearsing.is_at_work(svc, asked),
        "words": words,
        "tone": tone,
        "run": whole,
        "by": name_of(svc, whole.by) if whole else "",
        "version": svc.gate.version,
        "alerts": runbook.told_of(drill.id),
        "scenes": list(_scenes(whole.record)) if whole and whole.record else [],
        "bookings": list(_last(whole.record)) if whole and whole.record else [],
    }


def _scenes(record: Record) -> Iterator[dict[str, object]]:
    for scene in record.scenes:
        pages = [_seen(booking, who, scene.at) for booking, who in zip(scene.bookings, scene.customers, strict=True)]
        yield {"at": scene.at, "what": scene.what, "pages": pages, "letters": scene.letters}


def _last(record: Record) -> Iterator[tuple[str, Booking]]:
    for scene in record.scenes[-1:]:
        yield from zip(scene.customers, scene.bookings, strict=True)


def _seen(booking: Booking, who: str, at: datetime) -> Seen:
    stage = stage_of(booking, at)
    mark = badge(booking, stage)
    page = render_template(
        "booking/_payment.html",
        booking=booking,
        now=at,
        note="",
        standing=None,
        place="https://meet.example/rehearsal",
        checkout=booking.order.checkout if booking.order else None,
        network=None,
    )
    return Seen(who, mark["text"], mark["tone"], told(booking, stage), _lines(page))


class _Text(HTMLParser):
    """Extracts a page's text, one line per block. Hidden parts and those that need a script are left out."""

    BLOCKS = frozenset({"p", "h2", "h3", "li", "div", "form", "summary", "section", "br", "button", "a"})
    EMPTY = frozenset({"br", "input", "path", "rect"})

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = [""]
        self._unseen = 0  # nesting depth inside something hidden

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if self._unseen or tag == "svg" or "hidden" in given or "js-only" in (given.get("class") or ""):
            self._unseen += tag not in self.EMPTY
        elif tag in self.BLOCKS:
            self.lines.append("")
        elif tag == "dd":
            self.lines[-1] += ": "

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A self-closing element, such as <path/>."""

    def handle_endtag(self, tag: str) -> None:
        if self._unseen:
            self._unseen -= 1
        elif tag in self.BLOCKS:
            self.lines.append("")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.lines[-1] += data


def _lines(page: str) -> list[str]:
    text = _Text()
    text.feed(page)
    return [line for text_line in text.lines if (line := " ".join(text_line.split()))]
