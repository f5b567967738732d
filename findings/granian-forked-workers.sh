#!/usr/bin/env bash
# granian 2.8.7 on Linux with Python 3.11: guess: its workers are new interpreters, which load everything for themselves.
# Seen: they are forked, so what the process that starts granian has loaded is loaded in each of them, and is shared.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet granian==2.8.7
cat > "$folder/heavy.py" <<'P'
import os
LOADED_IN = os.getpid()
P
cat > "$folder/app.py" <<'P'
import os
import heavy

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{heavy.LOADED_IN} {os.getpid()}".encode()]
P
cat > "$folder/first.py" <<'P'
import heavy
from granian.cli import entrypoint
entrypoint()
P
cd "$folder"
port=$("$folder/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
asked() {
  PYTHONPATH="$folder" "$folder/venv/bin/python" "$@" --interface wsgi --workers 1 --host 127.0.0.1 --port "$port" \
    --log-level critical app:application & server=$!
  "$folder/venv/bin/python" - "$port" "$server" <<'P'
import sys, time, urllib.request
for _ in range(100):
    try:
        loaded_in, answered_by = urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/").read().split()
        break
    except OSError:
        time.sleep(0.1)
names = {int(sys.argv[2]): "parent", int(answered_by): "worker"}
print("loaded in the", names[int(loaded_in)], "- answered by the", names[int(answered_by)])
P
  kill "$server"; wait "$server" || true
}
alone=$(asked -m granian); after=$(asked first.py)
echo "granian alone: $alone"; echo "heavy.py loaded before: $after"
[ "$alone" = "loaded in the worker - answered by the worker" ]
[ "$after" = "loaded in the parent - answered by the worker" ]
