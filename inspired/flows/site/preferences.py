"""Saves the owner's settings, with one audit entry per changed value.

Audit entries are saved with the change and marked done once logged. So neither a rejected save nor a killed process
makes the log wrong. A process killed in between may log an entry twice.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from inspired.adapters.mongo.audit_outbox import AuditOutbox, Note, Owing
from inspired.adapters.mongo.catalogue import Listed
from inspired.domain.catalogue.availability import Availability
from inspired.domain.sentences.descriptions import calendar_in_words, list_in_words, type_in_words
from inspired.domain.site.preferences import NAMES, SECTIONS, Section, SmallPrint, changes, checked
from inspired.services import Services

NOTHING: Mapping[str, str] = {}
LEFT_LYING = timedelta(minutes=1)  # after which the process that saved it will no longer log it
OFFERED = ("types", "calendar")


def save(svc: Services, who: str, wanted: Section, version: int) -> None:
    """`who`: the account that saves. Raises Invalid, Conflict and Busy."""
    name = NAMES[type(wanted)]
    before = svc.preferences.fresh().section(name)
    if isinstance(wanted, SmallPrint) and isinstance(before, SmallPrint):
        wanted = wanted.after(before)
    about = name.replace("_", " ")
    notes = tuple(_notes(svc, who, "setting changed", about, before.words, checked(wanted).words))
    log_owed(svc)
    svc.preferences.save(wanted, version, notes)
    _log(svc, svc.preferences.audit_outbox, Owing(name, version + 1, notes))


def save_types(svc: Services, who: str, wanted: tuple[Listed, ...], version: int) -> None:
    """The meeting types and their order. Raises Conflict and Busy."""
    notes = tuple(_about_types(svc, who, svc.catalogue.fresh().types, wanted))
    log_owed(svc)
    svc.catalogue.save_types(wanted, version, notes)
    _log(svc, svc.catalogue.audit_outbox, Owing("types", version + 1, notes))


def save_calendar(svc: Services, who: str, wanted: Availability, version: int) -> None:
    """Raises Conflict and Busy."""
    before = calendar_in_words(svc.catalogue.fresh().calendar)
    notes = tuple(_notes(svc, who, "calendar changed", "", before, calendar_in_words(wanted)))
    log_owed(svc)
    svc.catalogue.save_calendar(wanted, version, notes)
    _log(svc, svc.catalogue.audit_outbox, Owing("calendar", version + 1, notes))


def log_owed(svc: Services) -> None:
    """Write audit entries left by processes that died. Called before each save, and by the clock."""
    for audit_outbox, ids in ((svc.preferences.audit_outbox, tuple(SECTIONS)), (svc.catalogue.audit_outbox, OFFERED)):
        for owing in audit_outbox.owing(ids):
            if owing.notes[0].at <= svc.now() - LEFT_LYING:
                _log(svc, audit_outbox, owing)


def _log(svc: Services, audit_outbox: AuditOutbox, owing: Owing) -> None:
    for note in owing.notes:
        svc.audit.add(note.at, note.who, note.what, note.about, note.detail)
    if owing.notes:
        audit_outbox.logged(owing)


def _about_types(svc: Services, who: str, before: tuple[Listed, ...], wanted: tuple[Listed, ...]) -> Iterator[Note]:
    was = {listed.type.id: type_in_words(listed.type) for listed in before}
    for type_id, words in ((listed.type.id, type_in_words(listed.type)) for listed in wanted):
        what = "call changed" if type_id in was else "call added"
        yield from _notes(svc, who, what, type_id, was.get(type_id, NOTHING), words)
    shown_before, shown = (
        list_in_words((listed.type.title, listed.hidden) for listed in types) for types in (before, wanted)
    )
    yield from _notes(svc, who, "list of calls changed", "", shown_before, shown)


def _notes(
    svc: Services, who: str, what: str, about: str, before: Mapping[str, str], after: Mapping[str, str]
) -> Iterator[Note]:
    return (Note(svc.now(), who, what, about, change) for change in changes(before, after))
