"""The smallest Flask site that shows what a server does: a constant, a slow answer, a body, a large answer."""

import os
import time

from flask import Flask, request

from inspired.adapters.process.processes import die_with_parent

if os.environ.get("BENCH_FOLLOW") == "1":
    die_with_parent()

application = Flask(__name__)
LARGE = b"x" * 4_000_000


@application.get("/")
def constant() -> str:
    return "hello"


@application.get("/slow")
def slow() -> str:
    time.sleep(float(request.args["seconds"]))
    return "done"


@application.post("/body")
def body() -> str:
    return str(len(request.get_data()))


@application.get("/large")
def large() -> bytes:
    return LARGE
