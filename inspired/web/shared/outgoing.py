"""Addresses of other people's servers that are typed in, before we call them."""

from urllib.parse import urlsplit

from inspired.adapters.providers.http import leads_outside
from inspired.domain.shared.errors import Invalid
from inspired.services import Services


def checked_host(svc: Services, url: str, *, field: str = "url", example: str = "https://example.org/hook") -> str:
    """The URL's host, if it may be called: https, and outside our own network. Raises Invalid."""
    wrong = Invalid("Please give an https address.", {field: f"An address such as {example}."})
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise wrong from None
    if not host or parts.username or parts.fragment or parts.scheme not in ("https", "http"):
        raise wrong
    if svc.settings.dev_mode:
        return host
    if parts.scheme != "https":
        raise wrong
    if not leads_outside(host, port or 443):
        sentence = "This address is not there, or leads into a private network."
        raise Invalid(sentence, {field: sentence})
    return host
