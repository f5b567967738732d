"""Who may open what of the admin area. A page that does not stand here is nobody's: a test walks through them all."""

from collections.abc import Mapping

from inspired.domain.people import Role

OPEN_TO_ALL = frozenset({"admin.login", "admin.enter"})
R, H, O = Role.READER, Role.HELPER, Role.OWNER  # noqa: E741 - a table is read at a glance

# The least role for each endpoint.
ALLOWED: Mapping[str, Role] = {
    "admin.logout": R,
    "admin.again": R,
    "admin.prove_again": R,
    "admin.bookings": R,
    "admin.booking": R,
    "admin.no_show": H,
    "admin_api.payments": R,
    "money.money": R,
    "money.refund": O,
    "money.preview": O,
    "money.refund_confirmed": O,
    "money.try_again": O,
    "money.by_hand": O,
    "money.agree": O,
    "money.ask": H,
    "money.settle_orphan": O,
    "money.reconcile": H,
    "money_api.refund_payment": O,
    "offering.calendar": R,
    "offering.change_calendar": O,
    "offering.read_own_calendar": O,
    "offering.calls": R,
    "offering.change_list": O,
    "offering.new_call": O,
    "offering.add_call": O,
    "offering.call": R,
    "offering.change_call": O,
    "numbers.show": R,
    "numbers.count_again": H,
    "reports.overview": R,
    "reports.show": R,
    "reports.export": O,
    "reports.plan": O,
}

# Money returned and data taken out: only for a while after a login.
FRESH_LOGIN = frozenset({"money.refund", "money.refund_confirmed", "money.by_hand", "reports.export"})
