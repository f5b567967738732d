"""The OpenAPI 3.1 document: each operation's own description, plus the answers common to all.

Each operation lists its own answers. The common ones are added here, once: the gateway refuses slow and large bodies,
an https site refuses http, the database may be away (web/shared/errors.py). The library gives every answer the content
type application/json and adds a 422 of its own, which is never sent.
"""

from collections.abc import Iterator
from typing import Any

from spectree import SecurityScheme, SpecTree
from spectree.models import InType, SecureType, SecuritySchemeData

from inspired.web.shared.https import NOTICES

Described = dict[str, Any]

KEY, SESSION = "key", "session"  # how a program and a browser authenticate
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
RETRY_AFTER = {"Retry-After": {"description": "Seconds until it is worth trying again.", "schema": {"type": "integer"}}}
OF_ANY = {
    "400": "The request cannot be read.",
    "403": "Refused: a site with https is not called by http.",
    "408": "The request's body took too long to arrive.",
    "413": "The request's body is too large.",
    "500": "Something went wrong on our side. `reference` finds it in the logs.",
    "503": "We, or a service behind us, do not answer just now. Nothing was lost.",
}
OF_JSON = ("415", "The body is not sent as application/json.")
INVENTED = ("ValidationError", "ValidationErrorElement")
FOR_A_WHILE = ("429", "503")


def of_the_api(**told: Any) -> SpecTree:
    """The object operations register with. `told`: the document's title and description."""
    return SpecTree(
        "flask",
        path="not-served",  # the library hides paths with this prefix; the document has its own route
        mode="strict",
        page_templates={},
        naming_strategy=lambda model: model.__name__,
        nested_naming_strategy=lambda _, name: name,
        security_schemes=[
            SecurityScheme(KEY, SecuritySchemeData(SecureType.HTTP, scheme="bearer")),
            SecurityScheme(
                SESSION, SecuritySchemeData(SecureType.API_KEY, name="__Host-session", field_in=InType.COOKIE)
            ),
        ],
        **told,
    )


def completed(spec: SpecTree, *, title: str, site_url: str) -> Described:
    """The complete document, as served."""
    described = spec.spec
    schemas = {name: schema for name, schema in described["components"]["schemas"].items() if name not in INVENTED}
    paths = {
        path: {method: _operation(path, operation) for method, operation in operations.items()}
        for path, operations in described["paths"].items()
    }
    return {
        **described,
        "info": {**described["info"], "title": title},
        "servers": [{"url": site_url}],
        "paths": paths,
        "components": {**described["components"], "schemas": schemas},
    }


def _operation(path: str, operation: Described) -> Described:
    own = {status: answer for status, answer in operation["responses"].items() if _held(answer) not in INVENTED}
    answers = {status: _answer(status, answer) for status, answer in own.items()}
    for status, meaning in _around(path, operation):
        answers.setdefault(status, _answer(status, {"description": meaning, "content": PROBLEM}))
    return {**operation, "responses": dict(sorted(answers.items()))}


def _around(path: str, operation: Described) -> Iterator[tuple[str, str]]:
    for status, meaning in OF_ANY.items():
        if status != "403" or path not in NOTICES:
            yield status, meaning
    if "requestBody" in operation:
        yield OF_JSON


def _answer(status: str, answer: Described) -> Described:
    told = {**answer, "content": PROBLEM} if _held(answer) == "Problem" else answer
    return {**told, "headers": RETRY_AFTER} if status in FOR_A_WHILE else told


def _held(answer: Described) -> str:
    """The name of the answer's schema; "" if it has none."""
    for content in answer.get("content", {}).values():
        return str(content["schema"].get("$ref", "")).rpartition("/")[2]
    return ""
