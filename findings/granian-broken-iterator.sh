#!/usr/bin/env bash
# granian 2.8.7, WSGI: guess: an answer without a length, whose iterator raises after its first piece, is broken off, so
# that a client can tell. Seen: the last, empty chunk is sent as for a whole answer, and curl ends with 0.
set -euo pipefail
folder=$(mktemp -d)
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet granian==2.8.7
cat > "$folder/application.py" <<'P'
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"first\n"
    raise RuntimeError("the source is gone")
P
port=$("$folder/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
(cd "$folder" && exec "$folder/venv/bin/granian" --interface wsgi --host 127.0.0.1 --port "$port" application:application >/dev/null 2>&1) & pid=$!
trap 'kill $pid; rm -rf "$folder"' EXIT
for _ in $(seq 100); do (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done
code=0; body=$(curl --silent --max-time 10 "http://127.0.0.1:$port/") || code=$?
echo "curl ended with $code and has read: $body"
[ "$code" = 0 ] && [ "$body" = first ]
