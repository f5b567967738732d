#!/usr/bin/env bash
# web3 8.0.0 with py_ecc 8.0.0: guess: importing a client library changes nothing for the rest of the process. Seen: the
# import raises Python's recursion limit from 1,000 to 100,000, for every thread and for good.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet web3==8.0.0 py_ecc==8.0.0
seen=$("$folder/venv/bin/python" -c '
import sys
before = sys.getrecursionlimit()
import web3
print(before, sys.getrecursionlimit())'); echo "recursion limit before and after: $seen"
[ "$seen" = "1000 100000" ]
