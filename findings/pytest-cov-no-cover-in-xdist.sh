#!/usr/bin/env bash
# pytest-cov 7.1.0, pytest-xdist 3.8.0, coverage 7.17.3, pytest 9.2.0: guess: a test marked no_cover is not traced,
# in a process of pytest-xdist as without it. Seen: without it the test runs untraced; in a process of pytest-xdist a
# tracer is still there while it runs. What it sees does not count, but it takes its time.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pytest==9.2.0 pytest-cov==7.1.0 pytest-xdist==3.8.0 coverage==7.17.3
mkdir "$folder/run"; cd "$folder/run"
printf '[run]\ncore = ctrace\n' > .coveragerc
cat > shop.py <<'P'
def sold():
    return "sold"
P
cat > test_shop.py <<'P'
import sys
import pytest
import shop

@pytest.mark.no_cover
def test_sold():
    with open("tracer", "w") as file:
        file.write("traced" if sys.gettrace() else "untraced")
    assert shop.sold() == "sold"
P
seen() {
  rm -f tracer .coverage
  "$folder/venv/bin/python" -m pytest -q --cov=shop --cov-report=json:out.json "$@" > /dev/null
  "$folder/venv/bin/python" - <<'P'
import json
with open("out.json") as file:
    lines = json.load(file)["files"]["shop.py"]["executed_lines"]
print(open("tracer").read(), "- the body counts" if 2 in lines else "- the body does not count")
P
}
alone=$(seen -p no:xdist); beside=$(seen -n 1)
echo "without pytest-xdist: $alone"; echo "with pytest-xdist: $beside"
[ "$alone" = "untraced - the body does not count" ]
[ "$beside" = "traced - the body does not count" ]
