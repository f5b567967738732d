#!/usr/bin/env bash
# secantusdb 0.7.0b3 with pymongo 4.20.0: guess: a counter kept by find_one_and_update gives every caller a number of its
# own, however many ask at once, as in MongoDB. Seen: with upsert and the document after it, some of those who ask while
# the counter is new get None; with the document before it, several get the same number.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --pre secantusdb==0.7.0b3 pymongo==4.20.0
cat > "$folder/counted.py" <<'P'
import socket, subprocess, sys
from concurrent.futures import ThreadPoolExecutor
import pymongo
from pymongo import ReturnDocument

folder = sys.argv[1]
ROUNDS, CALLS = 60, 16
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
command = [f"{folder}/venv/bin/secantusd-py", "--host", "127.0.0.1", "--port", str(port), "--storage-path", f"{folder}/data"]
server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)

def ask(counters, name, upsert, which):
    try:
        return counters.find_one_and_update({"_id": name}, {"$inc": {"next": 1}}, upsert=upsert, return_document=which)
    except pymongo.errors.DuplicateKeyError:
        return "refused"  # MongoDB may do that, too

try:
    client = pymongo.MongoClient("127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=20_000)
    counters = client["shop"]["counters"]
    none = twice = 0
    with ThreadPoolExecutor(8) as pool:
        for turn in range(ROUNDS):
            new = list(pool.map(lambda _: ask(counters, f"new{turn}", True, ReturnDocument.AFTER), range(CALLS)))
            none += new.count(None)
            counters.insert_one({"_id": f"old{turn}", "next": 0})
            old = list(pool.map(lambda _: ask(counters, f"old{turn}", False, ReturnDocument.BEFORE), range(CALLS)))
            numbers = [one["next"] for one in old]
            twice += len(numbers) - len(set(numbers))
    print(f"{ROUNDS * CALLS} calls each: {none} new counters answered None, {twice} numbers were given again")
    print("not exact" if none and twice else "exact")
finally:
    server.terminate()
    server.wait(20)
P
seen=$("$folder/venv/bin/python" "$folder/counted.py" "$folder"); echo "$seen"
[ "$(echo "$seen" | tail -1)" = "not exact" ]
