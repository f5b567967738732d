"""The proxy against real clients and servers: it counts what matters, passes everything else, and cuts where told."""

import contextlib
import smtplib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pymongo
import pytest
import redis as redis_driver
import requests
from pymongo.collection import Collection

from inspired.adapters.redis.redis_server import connection_options
from tests.conftest import Mailbox
from tests.faults.proxy import Boundaries, Http, Mongo, Redis, Side, Smtp, proxying, server_of, through
from tests.harness import Servers

ERRORS = (
    pymongo.errors.PyMongoError,
    redis_driver.RedisError,
    requests.RequestException,
    smtplib.SMTPException,
    OSError,
)


@dataclass
class Site:
    """A client of each server by way of a proxy, and one beside it (`beside`) that sees what was carried out."""

    boundaries: Boundaries
    mailbox: Mailbox
    things: Collection[Any]
    things_beside: Collection[Any]
    redis: redis_driver.Redis
    redis_beside: redis_driver.Redis
    sandbox: str
    sandbox_beside: str
    smtp_port: int
    heard: list[str] = field(default_factory=list)

    def insert(self) -> None:
        self.things.insert_one({"_id": 1})

    def inserted(self) -> bool:
        return self.things_beside.find_one({"_id": 1}) is not None

    def set(self) -> None:
        self.redis.set("thing", "1")

    def is_set(self) -> bool:
        return self.redis_beside.get("thing") == b"1"

    def advance(self) -> None:
        requests.post(f"{self.sandbox}/control/clock?why=test", json={"advance_s": 60}, timeout=5)

    def advanced(self) -> bool:
        return bool(requests.get(f"{self.sandbox_beside}/control/clock", timeout=5).json()["offset_s"] == 60)

    def mail(self) -> None:
        with smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=5) as server:
            server.sendmail("a@example.com", ["b@example.com"], "Subject: one\r\n\r\n.\r\ntext\r\n")

    def mailed(self) -> bool:
        return len(self.mailbox.messages) == 1

    def hears(self, call: Callable[[], object]) -> None:
        """What a client that is not killed notices of the cut."""
        try:
            call()
        except ERRORS:
            self.heard.append("lost")
        else:
            self.heard.append("answered")


@pytest.fixture
def site(sandbox: Servers, mailbox: Mailbox) -> Iterator[Site]:
    boundaries, name = Boundaries(), f"test-{uuid.uuid4().hex[:12]}"
    options = connection_options(seconds=5.0)
    with contextlib.ExitStack() as stack:
        mongodb, redis, http, smtp = (
            stack.enter_context(proxying(speaks, server, boundaries))
            for speaks, server in (
                (Mongo, server_of(sandbox.mongodb_uri, 27017)),
                (Redis, server_of(sandbox.redis_url, 6379)),
                (Http, server_of(sandbox.sandbox, 80)),
                (Smtp, ("127.0.0.1", sandbox.smtp_port)),
            )
        )
        beside = stack.enter_context(pymongo.MongoClient(sandbox.mongodb_uri))
        by_proxy = through(sandbox.mongodb_uri, mongodb, directConnection="true", retryWrites="false", timeoutMS="3000")
        redis_beside = stack.enter_context(redis_driver.Redis.from_url(sandbox.redis_url))
        redis_beside.delete("thing", "list")
        yield Site(
            boundaries,
            mailbox,
            things=stack.enter_context(pymongo.MongoClient(by_proxy))[name]["things"],
            things_beside=beside[name]["things"],
            redis=stack.enter_context(redis_driver.Redis.from_url(through(sandbox.redis_url, redis), **options)),
            redis_beside=redis_beside,
            sandbox=through(sandbox.sandbox, http),
            sandbox_beside=sandbox.sandbox,
            smtp_port=smtp,
        )
        redis_beside.delete("thing", "list")
        beside.drop_database(name)


CUTS = [
    pytest.param(Site.insert, Site.inserted, 1, id="mongo"),
    pytest.param(Site.set, Site.is_set, 1, id="redis"),
    pytest.param(Site.advance, Site.advanced, 1, id="http"),
    pytest.param(Site.mail, Site.mailed, 5, id="smtp"),
]


def test_what_goes_to_any_server_is_one_list_in_the_order_it_happened(site: Site):
    site.insert()
    site.mail()
    site.advance()
    site.set()

    assert site.boundaries.names == [
        "mongo:insert things",
        "smtp:EHLO",
        "smtp:MAIL",
        "smtp:RCPT",
        "smtp:DATA",
        "smtp:text",
        "smtp:QUIT",
        "/control/clock",
        "redis:SET",
    ]
    assert (site.inserted(), site.mailed(), site.advanced(), site.is_set()) == (True, True, True, True)
    assert site.mailbox.messages[0].get_content() == ".\r\ntext\r\n"


@pytest.mark.parametrize(("call", "is_done", "number"), CUTS)
def test_cut_before_a_request_it_never_arrives_and_the_client_hears_nothing(site: Site, call, is_done, number):
    site.boundaries.cut(number, Side.BEFORE, lambda: site.heard.append("killed"))

    site.hears(lambda: call(site))

    assert site.heard == ["killed", "lost"]
    assert not is_done(site)
    assert len(site.boundaries.names) == number


@pytest.mark.parametrize(("call", "is_done", "number"), CUTS)
def test_cut_after_a_request_it_was_carried_out_before_the_client_loses_its_reply(site: Site, call, is_done, number):
    site.boundaries.cut(number, Side.AFTER, lambda: site.heard.append(f"killed, done: {is_done(site)}"))

    site.hears(lambda: call(site))

    assert site.heard == ["killed, done: True", "lost"]
    assert len(site.boundaries.names) == number


def test_after_the_cut_nothing_goes_through_to_any_server_until_a_new_count(site: Site):
    site.boundaries.cut(1, Side.BEFORE, lambda: site.heard.append("killed"))
    for call in (site.set, site.insert, site.advance, site.mail):
        site.hears(call)

    site.boundaries.count()
    names_of_new_count = list(site.boundaries.names)
    done_by_then = (site.is_set(), site.inserted(), site.advanced(), site.mailed())
    for call in (site.set, site.insert, site.advance, site.mail):
        site.hears(call)

    assert site.heard == ["killed", *["lost"] * 4, *["answered"] * 4]
    assert names_of_new_count == []
    assert done_by_then == (False, False, False, False)
    assert (site.is_set(), site.inserted(), site.advanced(), site.mailed()) == (True, True, True, True)


def test_a_lost_reply_breaks_its_own_connection_and_nothing_else(site: Site):
    site.boundaries.lose_reply(2)
    for call in (site.set, site.advance, site.set):
        site.hears(call)

    assert site.heard == ["answered", "lost", "answered"]
    assert (site.is_set(), site.advanced()) == (True, True)


def test_connections_that_were_idle_at_the_cut_are_dropped_too(site: Site):
    with smtplib.SMTP("127.0.0.1", site.smtp_port, timeout=5) as idle:
        idle.noop()
        site.boundaries.cut(1, Side.BEFORE, lambda: None)
        site.hears(site.set)

        site.hears(idle.noop)
        idle.close()

    assert site.heard == ["lost", "lost"]


def test_how_drivers_connect_and_watch_their_server_is_not_counted(site: Site):
    site.things.database.client.admin.command("ping")
    site.redis.ping()

    assert site.boundaries.names == []


def test_a_document_replaced_is_told_from_one_that_is_updated(site: Site):
    site.things.replace_one({"_id": 1}, {"a": 1}, upsert=True)
    site.things.update_one({"_id": 1}, {"$set": {"a": 2}})
    list(site.things.find({"a": 2}))
    site.things.delete_one({"_id": 1})

    assert site.boundaries.names == [
        "mongo:replace things",
        "mongo:update things",
        "mongo:find things",
        "mongo:delete things",
    ]


def test_a_transaction_is_one_boundary_and_other_commands_sent_together_are_several(site: Site):
    for together in (True, False):
        with site.redis.pipeline(transaction=together) as pipe:
            pipe.rpush("list", "a").rpush("list", "b").lrange("list", 0, -1)
            site.heard.append(str(pipe.execute()))

    assert site.boundaries.names == ["redis:MULTI", "redis:RPUSH", "redis:RPUSH", "redis:LRANGE"]
    assert site.heard == [str([1, 2, [b"a", b"b"]]), str([3, 4, [b"a", b"b", b"a", b"b"]])]


def test_large_and_nested_values_pass_unharmed(site: Site):
    large = "\r\n.\r\n" * 300_000
    site.things.insert_one({"_id": 1, "text": large})
    site.redis.set("thing", large)
    nested = site.redis.eval("return {1, {2, {'a', false}}, redis.call('GET', KEYS[1])}", 1, "thing")

    assert site.things.find_one({"_id": 1}) == {"_id": 1, "text": large}
    assert nested == [1, [2, [b"a", None]], large.encode()]
