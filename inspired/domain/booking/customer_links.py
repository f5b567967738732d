"""Removes customers' own links from read-only texts.

A link lets its reader cancel the call and get the money back. In the admin area the only way to such a link is
`customers_page` in web/admin/owner_actions.py.
"""

import re

LEFT_OUT = "…"
SLASH = r"(?:/|\\/|%2F)"  # plain, escaped in JSON, or encoded inside another URL
# One of our pages by its token; at Calendly the invitee's id, from which the cancel and reschedule links are built.
PATH = re.compile(
    rf"({SLASH}(?:booking|help|invitees|invitee_no_shows|cancellations|reschedulings){SLASH})[A-Za-z0-9_-]{{8,}}", re.I
)
TRACKED = re.compile(r"(utm_content(?:\\?\"\s*:\s*\\?\"|=))[A-Za-z0-9_-]+")
# A bare token (28 letters, digits, - and _; services.new_token). Ordinary words do not match: they have neither digits
# nor inner capitals.
BARE = re.compile(r"(?<![A-Za-z0-9_-])(?=[A-Za-z0-9_-]{1,27}[A-Z0-9_])[A-Za-z0-9_-]{28}(?![A-Za-z0-9_-])")


def without_links(text: str) -> str:
    """Replace by "…" whatever would open a customer's page here or at Calendly."""
    text = TRACKED.sub(rf"\1{LEFT_OUT}", PATH.sub(rf"\1{LEFT_OUT}", text))
    return BARE.sub(LEFT_OUT, text)
