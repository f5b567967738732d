"""What a view reaches for: the services of this process, and where the request came from."""

import json
from ipaddress import ip_network
from typing import Any, cast

from flask import current_app, request

from inspired.services import Services


def services() -> Services:
    return cast(Services, current_app.extensions["inspired"])


def json_sent() -> Any:
    """The body as JSON; None where it is none, however it is broken or nested."""
    try:
        return json.loads(request.get_data())
    except (ValueError, RecursionError):
        return None


def visitor_address() -> str:
    """The network address as the last trusted proxy saw it. Only blind indexes of it are ever kept.

    Of IPv6 the first 64 bits: whoever has one address there has all the others below it.
    """
    address = request.remote_addr or ""
    if ":" not in address:
        return address
    try:
        return str(ip_network((address.partition("%")[0], 64), strict=False))
    except ValueError:
        return address
