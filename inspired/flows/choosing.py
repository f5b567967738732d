"""What the owner chooses, saved: each thing that became different has an entry of its own in the audit log.

The entry is written after the save, so that the log never tells of a change that was refused.
"""

from collections.abc import Mapping

from inspired.adapters.offer import Listed
from inspired.domain.availability import Availability
from inspired.domain.preferences import NAMES, Section, SmallPrint, changes, checked
from inspired.domain.wording import calendar_in_words, list_in_words, type_in_words
from inspired.services import Services

NOTHING: Mapping[str, str] = {}


def save(svc: Services, who: str, wanted: Section, version: int) -> None:
    """`who`: the account that saves. Raises Invalid, Conflict, and Busy."""
    name = NAMES[type(wanted)]
    before = svc.preferences.fresh().section(name)
    if isinstance(wanted, SmallPrint) and isinstance(before, SmallPrint):
        wanted = wanted.after(before)
    svc.preferences.save(checked(wanted), version)
    _note(svc, who, "setting changed", name.replace("_", " "), before.words, wanted.words)


def save_types(svc: Services, who: str, wanted: tuple[Listed, ...], version: int) -> None:
    """The meeting types and their order. Raises Conflict, and Busy."""
    before = svc.offer.fresh().types
    svc.offer.save_types(wanted, version)
    was = {one.type.id: type_in_words(one.type) for one in before}
    now = {one.type.id: type_in_words(one.type) for one in wanted}
    for type_id in now:
        what = "call changed" if type_id in was else "call added"
        _note(svc, who, what, type_id, was.get(type_id, NOTHING), now[type_id])
    shown_before, shown = (list_in_words((one.type.title, one.hidden) for one in types) for types in (before, wanted))
    _note(svc, who, "list of calls changed", "", shown_before, shown)


def save_calendar(svc: Services, who: str, wanted: Availability, version: int) -> None:
    """Raises Conflict, and Busy."""
    before = svc.offer.fresh().calendar
    svc.offer.save_calendar(wanted, version)
    _note(svc, who, "calendar changed", "", calendar_in_words(before), calendar_in_words(wanted))


def _note(svc: Services, who: str, what: str, about: str, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    for change in changes(before, after):
        svc.audit.add(svc.now(), who, what, about, change)
