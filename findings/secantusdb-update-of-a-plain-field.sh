#!/usr/bin/env bash
# secantusdb 0.7.0b3 with pymongo 4.20.0: guess: an update of one field that no index has costs the same, however many
# indexes the collection has, as in MongoDB, which changes only the index entries of changed fields. Seen: with 13
# indexes it takes several times the processor time, so the number of writes counts, not what they change.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --pre secantusdb==0.7.0b3 pymongo==4.20.0
cat > "$folder/measured.py" <<'P'
import pathlib, socket, subprocess, sys, time
import pymongo

folder = sys.argv[1]
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
command = [f"{folder}/venv/bin/secantusd-py", "--host", "127.0.0.1", "--port", str(port), "--storage-path", f"{folder}/data"]
server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)

def spent():
    fields = pathlib.Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])

def cost(collection):
    begun = spent()
    for _ in range(2):
        for number in range(100):
            collection.update_one({"_id": number}, {"$inc": {"plain": 1}})
    return spent() - begun

try:
    client = pymongo.MongoClient("127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=20_000)
    for name, indexes in (("few", 0), ("many", 13)):
        collection = client["shop"][name]
        collection.insert_many([{"_id": n, "plain": 0, **{f"f{i}": n for i in range(13)}} for n in range(100)])
        for i in range(indexes):
            collection.create_index(f"f{i}")
    few, many = cost(client["shop"]["few"]), cost(client["shop"]["many"])
    print(f"200 updates of a field without index: {few / 100} s of processor without indexes, {many / 100} s with 13")
    print("several times as much" if many > 2 * few else "about the same")
finally:
    server.terminate()
    server.wait(20)
P
seen=$("$folder/venv/bin/python" "$folder/measured.py" "$folder"); echo "$seen"
[ "$(echo "$seen" | tail -1)" = "several times as much" ]
