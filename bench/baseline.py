"""What the product is compared with, on the same server: a view that returns a constant, one with a database read."""

import os
from typing import Any

import pymongo
from flask import Flask
from pymongo.database import Database

from inspired.adapters.process.gateway import Gateway
from inspired.adapters.process.processes import die_with_parent

die_with_parent()
application = Flask(__name__)
server = Gateway(application, threads=int(os.environ.get("WEB_THREADS", "64")), largest=64 * 1024)
client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(os.environ["MONGODB_URI"], tz_aware=True)
database: Database[dict[str, Any]] = client[os.environ["MONGODB_DATABASE"]]


@application.get("/")
def constant() -> str:
    return "hello"


@application.get("/read/<token>")
def read(token: str) -> dict[str, str]:
    """The cheapest read there is that a status could be answered from: one document, by index, one field."""
    found = database["bookings"].find_one({"token": token}, {"_id": 0, "state": 1})
    return {"state": found["state"] if found else ""}
