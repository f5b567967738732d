"""Which tests count lines: `tests/counting.py`, in a run with `--cov` as `make test` begins it."""

import sys

import pytest

WHILE_COLLECTED = sys.gettrace()


def test_nothing_is_counted_while_tests_are_collected():
    assert WHILE_COLLECTED is None


@pytest.fixture
def while_set_up():
    return sys.gettrace()


@pytest.mark.no_cover
def test_nothing_is_counted_in_a_test_with_the_mark_nor_for_it(while_set_up):
    assert sys.gettrace() is None
    assert while_set_up is None


def test_lines_are_counted_in_every_other(request, while_set_up):
    if not request.config.pluginmanager.hasplugin("_cov"):
        pytest.skip("a run without --cov")

    assert sys.gettrace() is not None
    assert sys.gettrace() is while_set_up
