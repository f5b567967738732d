"""Customers' own links, removed from everything that is only read: whoever opens one can cancel the call and get the
money back. In the admin area the one way to such a link is `customers_page` in web/admin/owner_actions.py.
"""

import re

LEFT_OUT = "…"
SLASH = r"(?:/|\\/|%2F)"  # as it stands in text, in JSON that escapes it, inside another address
# A page of ours by its token; at Calendly the invitee's number, of which the links to cancel and to move are made.
PATH = re.compile(
    rf"({SLASH}(?:booking|help|invitees|invitee_no_shows|cancellations|reschedulings){SLASH})[A-Za-z0-9_-]{{8,}}", re.I
)
TRACKED = re.compile(r"(utm_content(?:\\?\"\s*:\s*\\?\"|=))[A-Za-z0-9_-]+")
# A token by itself (28 letters, digits, - and _; services.new_token), and no word of any language: those have neither
# digits nor capitals inside.
BARE = re.compile(r"(?<![A-Za-z0-9_-])(?=[A-Za-z0-9_-]{1,27}[A-Z0-9_])[A-Za-z0-9_-]{28}(?![A-Za-z0-9_-])")


def without_links(text: str) -> str:
    """The text, with "…" in place of what would open a customer's page here or at Calendly."""
    text = TRACKED.sub(rf"\1{LEFT_OUT}", PATH.sub(rf"\1{LEFT_OUT}", text))
    return BARE.sub(LEFT_OUT, text)
