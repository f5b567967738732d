"""Every drill is green with the code as it is: each played as the room plays it, one stand-in for all of them."""

import pytest

from inspired.domain.monitoring.rehearsals import Verdict
from inspired.rehearsal import running
from inspired.rehearsal.drill import Drill
from inspired.rehearsal.stage import Sandbox
from inspired.services import Services


@pytest.mark.parametrize("drill", running.DRILLS, ids=lambda drill: drill.id)
def test_it_is_green(svc: Services, stand_in: Sandbox, drill: Drill):
    record = running.played(svc, stand_in, drill, svc.new_id())

    assert record.why == ""
    assert record.verdict is Verdict.GREEN


def test_each_has_a_name_and_words_of_its_own():
    assert len(set(running.IDS)) == len(running.IDS)
    assert len({one.title for one in running.DRILLS}) == len(running.DRILLS)
    assert all(one.happens.endswith(".") and one.should.endswith(".") for one in running.DRILLS)
