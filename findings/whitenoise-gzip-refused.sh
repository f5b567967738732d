#!/usr/bin/env bash
# WhiteNoise 6.12.0: guess: "Accept-Encoding: gzip;q=0" (RFC 9110, 12.4.2: not acceptable) is answered with the file as it is.
# Seen: it is answered with gzip.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet whitenoise==6.12.0
mkdir "$folder/static"; seq 500 > "$folder/static/a.css"; gzip -k "$folder/static/a.css"
"$folder/venv/bin/python" - "$folder/static" <<'P'
import io
import sys
from whitenoise import WhiteNoise
seen = {}
served = WhiteNoise(lambda environ, start: [], root=sys.argv[1])
for accepted in ("identity", "gzip", "gzip;q=0"):
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/a.css", "HTTP_ACCEPT_ENCODING": accepted, "wsgi.input": io.BytesIO()}
    b"".join(served(environ, lambda status, headers: seen.update({accepted: dict(headers).get("Content-Encoding", "none")})))
print(seen)
assert seen == {"identity": "none", "gzip": "gzip", "gzip;q=0": "gzip"}
P
