"""The connection to Redis: encrypted as hosting services hand it out, never too many, and in words why not."""

import threading
import time
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
import redis

from inspired.adapters.redis import redis_server
from inspired.adapters.redis.queue import JobQueue
from inspired.domain.shared.errors import UpstreamError
from inspired.flows.monitoring import alerting, doctor, health
from tests.adapters.listeners import listening
from tests.adapters.tls import self_signed_chain, tls_in_front_of
from tests.harness import free_port


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    return self_signed_chain(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def encrypted(servers, chain):
    """The address of the tests' Redis by TLS."""
    with tls_in_front_of(urlsplit(servers.redis_url).port, chain) as port:
        yield f"rediss://127.0.0.1:{port}/0"


def failure(url, **more):
    client = redis_server.connect(url, seconds=1.0, **more)
    try:
        JobQueue(client).ping()
    except UpstreamError as error:
        return str(error)
    finally:
        client.close()
    return ""


# --- TLS --------------------------------------------------------------------------------------------------------------


def test_a_chain_that_nobody_knows_is_refused_by_itself_and_the_cause_names_the_setting(encrypted):
    told = failure(encrypted)

    assert "its certificate is not accepted (self-signed certificate in certificate chain)" in told
    assert "see REDIS_TLS" in told


def test_it_is_taken_where_the_setting_says_so(encrypted):
    assert failure(encrypted, verify_certificate=False) == ""


def test_an_authority_of_ones_own_is_enough_to_go_on_verifying(encrypted, chain, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(chain.with_name("authority.pem")))

    assert failure(encrypted) == ""


def test_without_tls_the_setting_changes_nothing(servers):
    assert failure(servers.redis_url, verify_certificate=False) == ""


def test_doctor_health_and_alert_name_the_cause(svc, encrypted):
    client = redis_server.connect(encrypted, seconds=1.0)
    away = replace(svc, queue=JobQueue(client))

    told = {
        "doctor": next(one.told for one in doctor.examine(away) if one.what == "Redis"),
        "health": next(one.detail for one in health.examine(away) if one.id == "redis"),
        "alert": alerting.find(away)["redis"].detail,
    }

    client.close()
    assert {who for who, what in told.items() if "self-signed certificate" in what and "REDIS_TLS" in what} == set(told)


# --- in words ---------------------------------------------------------------------------------------------------------


def test_why_redis_cannot_be_reached_is_told_in_words_without_the_address(servers, encrypted):
    port = urlsplit(servers.redis_url).port

    assert failure(f"redis://:secret@127.0.0.1:{free_port()}/0") == "redis: nobody listens at its address"
    assert failure(f"redis://nobody:secret@127.0.0.1:{port}/0").startswith("redis: it refuses our name or password")
    assert "does it speak TLS" in failure(f"rediss://127.0.0.1:{port}/0")
    assert "begins with rediss://" in failure(encrypted.replace("rediss:", "redis:"))


def test_a_frozen_redis_is_told_to_be_slow():
    with listening(lambda connection, request: None, read=lambda line: line.recv(65536)) as frozen:
        assert failure(frozen.address.replace("http", "redis")) == "redis: it does not answer in time"


def test_a_plan_whose_connections_are_all_taken_is_named(connection):
    before = connection.config_get("maxclients")["maxclients"]
    connection.config_set("maxclients", len(connection.client_list()))
    try:
        told = failure(f"redis://127.0.0.1:{connection.get_connection_kwargs()['port']}/0")
    finally:
        connection.config_set("maxclients", before)

    assert told == "redis: it takes no more connections; see REDIS_CONNECTIONS"


# --- as many as allowed -----------------------------------------------------------------------------------------------


def test_who_finds_all_connections_in_use_waits_for_one_instead_of_failing(servers, connection):
    """Eight at once, over one connection."""
    client = redis_server.connect(servers.redis_url, seconds=5.0, most=1)
    client.ping()
    before = connection.info("stats")["total_connections_received"]
    done = []

    def count():
        done.append(client.incr("counted"))

    threads = [threading.Thread(target=count) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert sorted(done) == list(range(1, 9))
    assert connection.info("stats")["total_connections_received"] == before
    client.close()


def test_nobody_waits_longer_for_a_connection_than_for_an_answer(servers):
    client = redis_server.connect(servers.redis_url, seconds=0.3, most=1)
    taken = client.connection_pool.get_connection()
    begun = time.monotonic()

    with pytest.raises(redis.RedisError) as caught:
        client.ping()

    assert client.connection_pool.timeout == 0.3
    assert time.monotonic() - begun >= 0.3
    assert redis_server.why(caught.value) == "all of our connections to it are in use; see REDIS_CONNECTIONS"
    client.connection_pool.release(taken)
    assert client.ping()
    client.close()


def test_what_else_counts_in_redis_shares_the_same_connections(svc, settings):
    from inspired.app import create_app
    from inspired.web.shared import rate_limits

    create_app(svc, settings)

    assert rate_limits.limiter.storage.storage.connection_pool is svc.redis_pool
    assert svc.redis_pool.max_connections == settings.redis_connections
