"""The current process's services, and the origin of the request."""

import json
from typing import Any, cast

from flask import current_app, request

from inspired.domain.shared import addresses
from inspired.services import Services


def services() -> Services:
    return cast(Services, current_app.extensions["inspired"])


def json_sent() -> Any:
    """The body as JSON; None if it is not valid JSON or too deeply nested."""
    try:
        return json.loads(request.get_data())
    except (ValueError, RecursionError):
        return None


def visitor_address() -> str:
    """The IP address as the last trusted proxy saw it, reduced to what identifies one visitor. Only blind indexes of it
    are stored."""
    return addresses.visitor(request.remote_addr or "")
