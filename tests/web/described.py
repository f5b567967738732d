"""The API's description is held against what the API answers, in every test that calls it."""

import re
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from pydantic import BaseModel
from werkzeug.test import TestResponse

from inspired.web.public import api, api_document, schemas

Described = dict[str, Any]


class Caller(FlaskClient):
    """A test client that fails where an answer is none of those that the document names for this operation."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        answer = super().open(*args, **kwargs)
        operation = operation_of(self.application, answer.request.method, answer.request.path)
        if operation is not None:
            assert differences(operation, answer) == []
        return answer


def paths(app: Flask) -> dict[str, Described]:
    """What is described; with a title and an address that no test looks at here."""
    with app.app_context():
        return api_document.completed(api.spec, title="", site_url="")["paths"]  # type: ignore[no-any-return]


def operation_of(app: Flask, method: str, path: str) -> Described | None:
    """None where the document knows no such operation: there is nothing to hold an answer against."""
    if not path.startswith("/api/"):
        return None
    for template, operations in paths(app).items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            return operations.get(method.lower())
    return None


def differences(operation: Described, answer: TestResponse) -> list[str]:
    """In what this answer is not what the document says."""
    status = str(answer.status_code)
    named = operation["responses"].get(status)
    if named is None:
        return [f"{status} is not named"]
    content = named.get("content", {})
    if not content:
        return [f"{status} has a body"] if answer.data else []
    if answer.content_type not in content:
        return [f"{status} is sent as {answer.content_type}"]
    if "Retry-After" in answer.headers and "Retry-After" not in named.get("headers", {}):
        return [f"{status} says when to try again, and is not said to"]
    name = content[answer.content_type]["schema"]["$ref"].rpartition("/")[2]
    model: type[BaseModel] = getattr(schemas, name)
    sent = answer.get_json()
    known = model.model_validate(sent).model_dump(by_alias=True, exclude_unset=True)
    return [] if _shape(sent) == _shape(known) else [f"{status} holds more than {name}"]


def _shape(value: Any) -> Any:
    """The names in it, at every depth."""
    if isinstance(value, dict):
        return {name: _shape(one) for name, one in value.items()}
    return [_shape(one) for one in value] if isinstance(value, list) else None
