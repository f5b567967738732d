"""Walls around the code: rules that hold for what nobody has written yet."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

from inspired.domain.booking.rails import CAPABILITIES, RailId
from inspired.domain.shared import errors

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "inspired"
MODULES = sorted(PACKAGE.rglob("*.py"))
OF_ITS_OWN = ("sandbox", "dev")  # shares no code with the product, or runs beside it
PRODUCT = [path for path in MODULES if path.relative_to(PACKAGE).parts[0] not in OF_ITS_OWN]


def named(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def calls(path: Path) -> set[str]:
    """What is called, as written: "float", "datetime.now", "self._now"."""
    return {ast.unparse(node.func) for node in ast.walk(tree(path)) if isinstance(node, ast.Call)}


@cache
def imported(path: Path) -> set[str]:
    """Top-level names of what is imported."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found


def offenders(paths: list[Path], *words: str) -> set[str]:
    """Modules that call one of these, whatever it is called on."""
    return {
        named(path)
        for path in paths
        if any(call == word or call.endswith(f".{word}") for call in calls(path) for word in words)
    }


def test_rings_import_only_rings_below_them():
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_every_module_says_what_it_is_about(path):
    assert ast.get_docstring(tree(path)), f"{named(path)} has no docstring"


def test_money_is_never_a_float():
    of_money = [*PACKAGE.glob("domain/**/*.py"), *PACKAGE.glob("adapters/**/*.py"), *PACKAGE.glob("flows/**/*.py")]
    web = [path for path in PACKAGE.glob("web/**/*.py") if "money" in path.read_text().lower()]

    assert offenders([*of_money, *web], "float") == set()
    for path in PACKAGE.glob("domain/**/*.py"):
        assert not [
            node for node in ast.walk(tree(path)) if isinstance(node, ast.Constant) and isinstance(node.value, float)
        ], f"{named(path)} has a number with a point"


def test_the_clock_is_read_in_one_place():
    below = [path for ring in ("domain", "adapters", "flows") for path in PACKAGE.glob(f"{ring}/**/*.py")]

    assert offenders(PRODUCT, "datetime.now", "utcnow", "today", "utcfromtimestamp") == {"services.py"}
    assert offenders(below, "time.time", "localtime", "gmtime") == set()


def test_chance_comes_from_one_place_but_for_what_has_to_be_secret_there():
    assert offenders(PRODUCT, "uuid4", "uuid1", "random", "randint", "randrange", "shuffle") == set()
    assert {named(path) for path in PRODUCT if "random" in imported(path) or "uuid" in imported(path)} == set()


def test_nothing_is_unpickled_evaluated_or_read_as_yaml():
    assert {
        named(path) for path in MODULES if imported(path) & {"pickle", "shelve", "marshal", "dill", "yaml"}
    } == set()
    assert not {named(path) for path in MODULES if calls(path) & {"eval", "exec", "compile", "__import__"}}


def test_certificates_are_always_checked():
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"verify\s*=\s*False|CERT_NONE|_create_unverified_context|check_hostname\s*=", text), path


def test_what_is_html_is_said_in_one_place():
    assert offenders(MODULES, "Markup") <= {"web/shared/display.py"}
    for template in (ROOT / "templates").rglob("*.html"):
        assert not re.search(r"\|\s*safe\b|autoescape\s+false", template.read_text(encoding="utf-8")), template


def test_there_is_one_door_to_other_peoples_servers():
    doors = {"requests", "urllib3", "httpx", "aiohttp", "http"}

    assert {named(path) for path in PRODUCT if imported(path) & doors} == {"adapters/providers/http.py"}
    assert {named(path) for path in MODULES if "requests" in imported(path)} == {
        "adapters/providers/http.py",
        "sandbox/webhooks.py",
    }
    assert offenders(PRODUCT, "urlopen", "create_connection") == set()


def test_only_what_carries_no_money_ever_expires_by_itself():
    found = [
        (named(path), ast.unparse(node.func))
        for path in MODULES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and any(word.arg == "expireAfterSeconds" for word in node.keywords)
    ]

    assert {name for name, _ in found} == {"adapters/mongo/indexes.py"}
    assert sorted(where for _, where in found) == [
        "database['idempotency_keys'].create_index",
        "database['refused_logins'].create_index",
        "deliveries.create_index",
        "sessions.create_index",
    ]


def test_a_booking_is_altered_in_one_place_only():
    """`Bookings` is the only class that writes there, and `find_one_and_update` (slow, unversioned) is nowhere."""
    writes = ("update_one", "update_many", "replace_one", "delete_one", "delete_many", "insert_one", "bulk_write")

    found = offenders(PRODUCT, *writes)
    assert "adapters/mongo/bookings.py" in found
    assert {name for name in found if not name.startswith("adapters/mongo/")} == {
        "adapters/providers/binance_certificates.py"
    }
    for name in found - {"adapters/mongo/bookings.py"}:
        assert 'database["bookings"]' not in (PACKAGE / name).read_text(encoding="utf-8"), name
    assert offenders(MODULES, "find_one_and_update", "find_one_and_replace", "find_one_and_delete") == set()


def test_jobs_take_ids_only():
    functions = [node for node in tree(PACKAGE / "jobs.py").body if isinstance(node, ast.FunctionDef)]

    taken = [one for node in functions for one in (*node.args.args, node.args.vararg) if one is not None]
    assert len(functions) > 2
    assert {one.annotation and ast.unparse(one.annotation) for one in taken} == {"str"}
    assert not [node.name for node in functions if node.args.kwonlyargs or node.args.posonlyargs or node.args.kwarg]


def test_nothing_is_printed_but_by_commands():
    assert offenders(PRODUCT, "print") <= {"cli.py"}


def test_no_exception_is_swallowed_without_a_trace():
    for path in PRODUCT:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ExceptHandler) and (
                node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
            ):
                told = any(
                    isinstance(inner, ast.Raise)
                    or (isinstance(inner, ast.Call) and ast.unparse(inner.func) == "log.exception")
                    for inner in ast.walk(node)
                )
                assert told, f"{named(path)}:{node.lineno}"


def test_the_map_names_only_what_exists():
    """The paths of docs/architecture.md and docs/internals.md."""
    pages = "".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("architecture.md", "internals.md"))
    places = set(
        re.findall(
            r"(?<![\w/.])(?:domain|flows|adapters|web|rehearsal|cli|jobs|services|settings)[\w/]*(?:/|\.py)", pages
        )
    )

    assert len(places) > 50
    assert {place for place in places if not (PACKAGE / place).exists()} == set()


def test_domain_flows_and_their_tests_have_the_same_folders():
    def folders(path: Path) -> set[str]:
        return {one.name for one in path.iterdir() if one.is_dir() and not one.name.startswith("__")}

    nouns = folders(PACKAGE / "flows")
    assert folders(PACKAGE / "domain") == nouns | {"sentences"}  # words of bookings and more, a file for each audience
    for ring in ("domain", "flows", "adapters", "web"):
        assert folders(ROOT / "tests" / ring) <= folders(PACKAGE / ring) | {"stored"}
        assert not [path.name for path in (ROOT / "tests" / ring).glob("test_*.py")]


def test_only_the_adapters_take_stored_names_apart():
    """Tasks, events, claims and facts have types everywhere else."""
    inner = [path for path in PRODUCT if path.relative_to(PACKAGE).parts[0] != "adapters"]
    taking_apart = ("partition", "rpartition", "split", "rsplit")

    found = {
        named(path)
        for path in inner
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in taking_apart
        and any(isinstance(word, ast.Constant) and word.value in (":", ": ") for word in node.args)
    }

    assert found == {"settings.py", "web/admin/account.py"}, "a host and its port; everything else has a type"


def test_names_are_read_back_in_one_place():
    known = re.compile(
        r"(send|alert|release_event|tidy_events|follow_event|tell_no_show|post|seat|addresses|tick|invitee|orphan):"
    )
    spelled = {
        named(path)
        for path in PRODUCT
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and known.match(node.value)
    }

    assert spelled <= {"adapters/mongo/spellings.py", "domain/booking/claims.py", "domain/booking/outbox.py"}


# Where rules stand, and where pages choose what to say. The text of a refusal stands in the call that makes it; the
# definitions below hold other sentences, each for its reason.
SPEECHLESS = ("domain/booking", "domain/catalogue", "domain/site", "domain/support", "web/shared/display")
REFUSALS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.Refusal)}
SPOKEN = {
    "domain/booking/invariants.py": {"INVARIANTS"},  # what `inspired check` prints, for whoever looks after the site
    "domain/booking/mails.py": {"NEVER_SENT"},  # a refusal made in two places
    "domain/booking/owner_actions.py": {"ERASED", "why_not_erase"},  # refusals, which a page tells beforehand
    "domain/booking/refunds.py": {"NOTHING_LEFT", "_previewed"},  # the same
    # Refusals of a form's fields, and what the owner's own texts are until the owner writes others.
    "domain/catalogue/meeting_types.py": {"MEETING_TYPES", "answered", "checked"},
    "domain/site/preferences.py": {"Addresses", "Brand", "Home", "Retention", "_too_long"},
    "domain/support/tickets.py": {"checked_text"},
}


def spoken(path: Path) -> set[str]:
    """Where a module holds sentences, by the name of the definition: three words or more, and a full stop. Neither
    docstrings nor texts of refusals."""
    found = set()
    for part in tree(path).body:
        aside: set[ast.AST] = set()
        for node in ast.walk(part):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                aside.add(node.value)
            elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in REFUSALS:
                aside |= set(ast.walk(node))
        if any(is_sentence(node) for node in ast.walk(part) if node not in aside):
            is_named = isinstance(part, ast.FunctionDef | ast.ClassDef)
            found.add(part.name if is_named else ast.unparse(part).partition(" ")[0].rstrip(":"))
    return found


def is_sentence(node: ast.AST) -> bool:
    if isinstance(node, ast.JoinedStr):
        text: object = ast.unparse(node)[2:-1]
    else:
        text = node.value if isinstance(node, ast.Constant) else None
    return isinstance(text, str) and len(text.split()) >= 3 and text.endswith((".", "?", "!"))


# Where a provider may be named inside `domain` and `flows`, and why. Everywhere else a rail is one of several.
NAMES_PROVIDERS = {
    "domain/booking/rails.py": "defines the rails",
    "domain/monitoring/certificates.py": "when a provider's certificates are asked for",
    "domain/monitoring/provider_refusals.py": "what the codes of a provider mean",
    "domain/monitoring/runbook.py": "what to do when a provider does not answer, or refuses us",
    "flows/booking/payment_webhooks.py": "a provider's webhooks",
    "flows/booking/replaying.py": "a provider's webhooks, read once more",
    "flows/monitoring/alerting.py": "a provider's breaker, clock and certificates",
    "flows/monitoring/doctor.py": "whether a provider takes our keys and our clock",
    "flows/monitoring/health.py": "a provider's breaker and certificates",
    "flows/reporting/counting.py": "counts a provider's webhooks",
}
PROVIDERS = re.compile(CAPABILITIES[RailId.BINANCE_PAY].provider, re.IGNORECASE)  # networks are no providers


def test_rules_and_flows_name_no_provider():
    """Words of rails stand in `domain/sentences/rails.py`, so that a second rail is one more entry there."""
    inner = [path for ring in ("domain", "flows") for path in PACKAGE.glob(f"{ring}/**/*.py")]

    found = {named(path) for path in inner if PROVIDERS.search(path.read_text(encoding="utf-8"))}

    assert {name for name in found if not name.startswith("domain/sentences/")} == set(NAMES_PROVIDERS)


def test_one_file_has_the_words_of_each_rail():
    """Besides the name of one stored audit entry, and that only one rail takes a commission."""
    found = {
        named(path): sorted(
            node.value
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and PROVIDERS.search(node.value)
        )
        for path in PACKAGE.glob("domain/sentences/*.py")
    }

    assert len(found.pop("domain/sentences/rails.py")) > 20
    assert {name: words for name, words in found.items() if words} == {
        "domain/sentences/owner_pages.py": ["Binance asked about many", "asked_binance_about_many"]
    }


def test_mails_and_pages_of_a_booking_take_their_words_from_its_rail():
    """But for the notices that only one provider sends, and for how its own order is paid."""
    folders = ("email", "booking", "site", "support", "newsletter", "admin/booking_details", "admin/owner_actions")

    found = {
        path.relative_to(ROOT / "templates").as_posix()
        for folder in folders
        for path in (ROOT / "templates" / folder).rglob("*.*")
        if PROVIDERS.search(path.read_text(encoding="utf-8"))
    }

    assert found == {"booking/_pay_binance_pay.html", "email/orphan.html", "email/orphan.txt"}


def test_rules_and_pages_hold_no_sentences_for_people():
    found = {named(path): spoken(path) for path in PRODUCT if named(path).startswith(SPEECHLESS)}

    assert {name: where for name, where in found.items() if where} == SPOKEN
    assert "TEXTS" in spoken(PACKAGE / "domain/sentences/customer.py")
