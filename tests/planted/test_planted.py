"""A test that cannot fail is a defect: each planted bug is noticed by the test that is named for it."""

import fcntl
import json
from dataclasses import asdict

import pytest

from tests.planted import planting
from tests.planted.bugs import BUGS


@pytest.fixture(scope="module")
def workshop(tmp_path_factory, servers):
    project = planting.copied(tmp_path_factory.mktemp("planted"))
    with planting.workshop(project, servers) as one:
        yield one


@pytest.fixture(scope="module")
def without_bugs(workshop, tmp_path_factory, worker_id):
    """Run once, whichever of the test processes comes first."""
    folder = tmp_path_factory.getbasetemp()
    kept = (folder if worker_id == "master" else folder.parent) / "without-bugs"
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            found = workshop.run(dict.fromkeys(bug.test for bug in BUGS))
            kept.write_text(json.dumps([asdict(one) for one in found]))
    return [planting.Outcome(**one) for one in json.loads(kept.read_text())]


@pytest.mark.slow
@pytest.mark.timeout(900)  # the first of each process waits until all named tests have been run without a bug
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_the_named_test_passes_without_the_bug_and_notices_it(workshop, without_bugs, bug):
    healthy = planting.of_test(without_bugs, bug.test)
    assert healthy, f"there is no {bug.test}"
    assert {one.kind for one in healthy} == {"passed"}

    outcomes = workshop.with_bug(bug)

    assert any(one.is_noticed for one in outcomes), outcomes
    assert all(one.kind == "passed" or one.is_noticed or one.is_checked for one in outcomes), outcomes


def test_every_rule_of_money_has_a_bug():
    assert {bug.rule for bug in BUGS} >= {str(number) for number in range(1, 11)}
    assert len({bug.name for bug in BUGS}) == len(BUGS)
