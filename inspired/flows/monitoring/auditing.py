"""Verifies the audit log each night, and when the owner asks; the result is kept with its time."""

from datetime import datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from inspired.adapters.mongo.audit import BEGINNING, Checked
from inspired.flows.shared import owner_notifications
from inspired.services import Services

NIGHT = time(3, 30)  # in the owner's zone
LEASE = timedelta(minutes=10)  # a check that did not finish is repeated after this
MOST_TOLD = 20  # reported mismatches


def check(svc: Services) -> Checked:
    """Reads the whole log. If something does not match, the owner is told by mail."""
    now = svc.now()
    last = next(iter(svc.audit.newest(1)), None)
    broken = tuple(f"Entry {number} {wrong}." for number, wrong in islice(svc.audit.broken(), MOST_TOLD))
    checked = Checked(now, last.number if last else 0, last.hash if last else BEGINNING, broken)
    svc.audit.note_check(checked, _next_night(svc, now))
    if broken:
        owner_notifications.owner(
            svc, "audit", now.isoformat(), broken=broken, admin_url=f"{svc.settings.site_url}/admin/audit"
        )
    return checked


def check_soon(svc: Services) -> None:
    """Leaves it to the worker, since it takes long."""
    svc.queue.enqueue_mail("check_audit")


def sweep(svc: Services) -> None:
    if svc.audit.take_check(svc.now(), svc.now() + LEASE):
        check_soon(svc)


def _next_night(svc: Services, now: datetime) -> datetime:
    zone = ZoneInfo(svc.settings.owner_timezone)
    today = now.astimezone(zone).date()
    night = datetime.combine(today, NIGHT, zone)
    return night if night > now else datetime.combine(today + timedelta(days=1), NIGHT, zone)
