"""Every command, called in a wrong way or with nothing behind it, answers with a sentence, never with a traceback."""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database

from inspired.cli import _parser
from tests.harness import ROOT, Servers, free_port
from tests.test_settings import SANDBOX

# These go on until they are ended; what they say when they cannot begin is looked at where they are tested.
RUN_ON = {"dev", "web", "worker", "clock", "watch-chains"}
OF_THEIR_OWN = {"hash-password"}  # needs nothing behind it


def began(env: dict[str, str], *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "inspired.cli", *arguments],
        env={"PATH": os.environ["PATH"], "LOG_LEVEL": "ERROR", **env},
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(command: "subprocess.Popen[str]", said: str = "") -> tuple[int, str]:
    """Its exit status, and what it told of what went wrong."""
    _, told = command.communicate(said, timeout=150)
    return command.returncode, told


def ran(env: dict[str, str], *arguments: str, said: str = "") -> tuple[int, str]:
    return ended(began(env, *arguments), said)


def every_command(parser: argparse.ArgumentParser, before: tuple[str, ...] = ()) -> Iterator[list[str]]:
    """Each with something for every argument that it needs, from the commands themselves."""
    found = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    if not found:
        needed = [one for one in parser._actions if not one.option_strings and one.nargs not in ("?", "*")]
        yield [*before, *("ann@example.com" for _ in needed)]
    for choices in found:
        for name, inner in choices.choices.items():
            yield from every_command(inner, (*before, name))


def test_with_no_database_every_command_says_so():
    nobody = free_port()
    env = {
        **{name: str(value) for name, value in SANDBOX.items()},
        "MONGODB_URI": f"mongodb://127.0.0.1:{nobody}/?directConnection=true",
        "REDIS_URL": f"redis://127.0.0.1:{nobody}/0",
        "BINANCE_PAY_BASE_URL": f"http://127.0.0.1:{nobody}",
    }
    commands = [one for one in every_command(_parser()) if one[0] not in RUN_ON | OF_THEIR_OWN]
    running = [(command, began(env, *command)) for command in commands]

    assert len(running) >= 12
    for command, process in running:
        out, told = process.communicate(timeout=150)
        assert process.returncode == 1, (command, told)
        assert "Traceback" not in told, (command, told)
        assert "The database does not answer." in out + told, (command, out, told)


def test_without_any_setting_everything_that_is_missing_is_listed():
    code, told = ran({}, "check")

    assert code == 1
    assert told.startswith("This does not start yet:\n- SITE_URL is missing\n- SECRET_KEY is missing\n")


WRONG = [
    ([], "required"),
    (["nosuch"], "invalid choice: 'nosuch'"),
    (["refresh"], "required: booking_id"),
    (["check", "--days", "0"], "must be a whole number from 1 to 3650"),
    (["check", "--days", "9" * 5000], "must be a whole number from 1 to 3650"),
    (["reconcile", "--days", "-1"], "must be a whole number from 1 to 3650"),
    (["web", "--port", "70000"], "must be a whole number from 0 to 65535"),
    (["dev", "--port", "x"], "must be a whole number from 0 to 65535"),
    (["admin"], "required"),
    (["admin", "create", "a@example.com", "--role", "king"], "invalid choice: 'king'"),
    (["hash-password", "a"], "The password is asked for, and never stands in the command: leave it out."),
]


@pytest.mark.parametrize(("arguments", "sentence"), WRONG)
def test_what_is_called_in_a_wrong_way_is_refused_before_anything_is_done(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
):
    from inspired.cli import main

    try:
        code = main(arguments)
    except SystemExit as exit_:
        code = int(str(exit_.code))

    assert code == 2
    assert sentence in capsys.readouterr().err


def test_a_port_of_the_platform_that_is_none_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    from inspired.cli import main

    monkeypatch.setenv("PORT", "http")
    with pytest.raises(SystemExit) as exit_:
        main(["web"])

    assert exit_.value.code == 2
    assert "argument --port: must be a whole number" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["admin", "create", "foo"], "email: is not a mail address."),
        (["admin", "create", "\udcff@\udcff"], "email: is not a mail address."),
        (["admin", "reset", "foo"], "There is no such account."),
        (["refresh", "nosuch"], "There is no such booking."),
        (["refresh", "\udcff"], "There is no such booking."),
        (["rehearse", "nosuch"], "There is no drill called nosuch."),
        (["calendly", "connect"], "This site runs on its own calendar."),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(
    settings_env: dict[str, str], database: Database[Any], arguments: list[str], sentence: str
):
    code, told = ran(settings_env, *arguments)

    assert code in (1, 2)
    assert sentence in told
    assert len(told.strip().splitlines()) == 1
    assert database["people"].count_documents({}) == 0


def test_an_address_of_the_database_that_is_none_is_told_without_the_password(servers: Servers):
    code, told = ran(servers.settings_env(MONGODB_URI="mongodb://me:pa:ss@127.0.0.1:port/"), "check")

    assert code == 1
    assert told.startswith("MONGODB_URI cannot be used: ")
    assert "pa:ss" not in told


@pytest.mark.parametrize("password", ["a\n", "\n", ""])
def test_a_password_that_is_too_short_is_not_hashed(password: str):
    code, told = ran({}, "hash-password", said=password)

    assert code == 1
    assert "A password has at least 12 characters." in told
    assert "Traceback" not in told


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Any):
    (tmp_path / "file").write_text("in the way")
    code, told = ran({}, "dev", "--data", str(tmp_path / "file" / "data"))

    assert (code, told) == (1, f"{tmp_path / 'file' / 'data'} cannot be made: Not a directory.\n")
