"""What each of thousands of tests would make anew, made once for all tests of a process.

A test has an application and services of its own. Shared is what other libraries make of the same text every time: the
functions that build the addresses of routes, and compiled templates. A password is hashed at a cost that stops
nobody from guessing it. And a traceback in the log is as plain as where the product is installed.
"""

import secrets
from typing import Any, NamedTuple

import pytest
from argon2 import PasswordHasher
from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from structlog.dev import ConsoleRenderer, plain_traceback
from werkzeug.routing import Rule

from inspired.flows.accounts import authentication
from tests.harness import CHEAP


class _Passwords(NamedTuple):
    hasher: PasswordHasher
    nobodys: str


AS_SOLD = _Passwords(authentication._hasher, authentication._nobodys)


class _Templates(BytecodeCache):
    """By name; whoever changes a template meanwhile gets it compiled anew."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if (kept := self._kept.get(bucket.key)) is not None:
            bucket.bytecode_from_string(kept)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


def share(patch: pytest.MonkeyPatch) -> None:
    templates, builders = _Templates(), dict[Any, Any]()
    make_environment, compile_builder = Flask.create_jinja_environment, Rule._compile_builder

    def environment(app: Flask) -> Any:
        made = make_environment(app)
        made.bytecode_cache = templates
        return made

    def builder(rule: Rule, append_unknown: bool = True) -> Any:
        key = (rule.rule, tuple(rule._trace), append_unknown)
        if rule.defaults:  # their values are written into the function
            return compile_builder(rule, append_unknown)
        if key not in builders:
            builders[key] = compile_builder(rule, append_unknown)
        return builders[key]

    patch.setattr(Flask, "create_jinja_environment", environment)
    patch.setattr(Rule, "_compile_builder", builder)
    # Where the library rich is installed, as in tests alone, it takes seconds over one traceback.
    patch.setattr(ConsoleRenderer.get_active(), "exception_formatter", plain_traceback)
    patch.setattr(authentication, "_hasher", CHEAP)
    patch.setattr(authentication, "_nobodys", CHEAP.hash(secrets.token_urlsafe(32)))
