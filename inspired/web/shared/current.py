"""What a view reaches for: the services of this process, and where the request came from."""

import json
from typing import Any, cast

from flask import current_app, request

from inspired.domain.shared import addresses
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
    """The network address as the last trusted proxy saw it, as far as it tells one visitor from another. Only blind
    indexes of it are ever kept."""
    return addresses.visitor(request.remote_addr or "")
