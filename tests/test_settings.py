"""Settings: read strictly, listed wholly, and never with a value in the message."""

import base64
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from inspired.settings import BINANCE_HOST, CALENDLY_API_HOST, Settings, SettingsError, read_settings

KEY, OTHER_KEY = (base64.b64encode(letter * 32).decode() for letter in (b"k", b"o"))
HASH = "$argon2id$v=19$m=8192,t=1,p=1$c2FsdHNhbHQ$aGFzaA"

SANDBOX = {
    "SITE_URL": "http://localhost:5000",
    "SECRET_KEY": "a secret key that is long enough",
    "MONGODB_URI": "mongodb://user:password@127.0.0.1/x",
    "REDIS_URL": "redis://:password@127.0.0.1:6379/0",
    "ENCRYPTION_KEYS": f"v1:{KEY}",
    "BLIND_INDEX_KEY": KEY,
    "BINANCE_PAY_ENVIRONMENT": "sandbox",
    "BINANCE_PAY_API_KEY": "api",
    "BINANCE_PAY_SECRET_KEY": "secret",
    "BINANCE_PAY_WEBHOOK_URL": "http://127.0.0.1:5000/api/payments/webhook",
    "BINANCE_PAY_BASE_URL": "http://127.0.0.1:4000",
    "SMTP_HOST": "127.0.0.1",
    "MAIL_FROM": "calls@example.com",
    "OWNER_EMAIL": "owner@example.com",
    "ADMIN_EMAIL": "owner@example.com",
    "ADMIN_PASSWORD_HASH": HASH,
}
BINANCE_PAY = {name for name in SANDBOX if name.startswith("BINANCE_PAY_")}
PRODUCTION = {
    **SANDBOX,
    "SITE_URL": "https://example.org",
    "BINANCE_PAY_ENVIRONMENT": "production",
    "BINANCE_PAY_WEBHOOK_URL": "https://example.org/api/payments/webhook",
    "BINANCE_PAY_BASE_URL": None,
}


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def read(monkeypatch):
    """Settings from this environment; None leaves one out."""

    def reading(env=SANDBOX, **changes):
        for name, value in {**env, **changes}.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        return read_settings()

    return reading


@pytest.fixture
def problems(read):
    """What is wrong with this environment, sentence by sentence."""

    def reading(env=SANDBOX, **changes):
        with pytest.raises(SettingsError) as caught:
            read(env, **changes)
        return caught.value.problems

    return reading


def problems_of(reading) -> list[str]:
    """What is wrong; nothing where it can be read."""
    try:
        reading()
    except SettingsError as error:
        return error.problems
    return []


# --- missing --------------------------------------------------------------------------------------------------------


def test_everything_that_is_missing_is_listed_at_once(problems):
    needed = {name.upper() for name, field in Settings.model_fields.items() if field.is_required()}

    assert set(problems({})) == {f"{name} is missing" for name in needed}
    assert needed == SANDBOX.keys() - BINANCE_PAY


@pytest.mark.parametrize("name", sorted(SANDBOX.keys() - BINANCE_PAY))
def test_each_setting_that_is_missing_is_named(problems, name):
    assert problems(**{name: None}) == [f"{name} is missing"]


def test_without_any_setting_of_binance_pay_it_is_off_and_money_is_taken_as_real(read):
    settings = read(**dict.fromkeys(BINANCE_PAY), SITE_URL="https://example.org")

    assert not settings.uses_binance_pay
    assert not settings.is_sandbox  # so the go-live gate stands


def test_binance_pay_can_be_off_in_the_sandbox_as_well(read):
    settings = read(BINANCE_PAY_API_KEY=None, BINANCE_PAY_SECRET_KEY="")

    assert (settings.uses_binance_pay, settings.is_sandbox) == (False, True)


@pytest.mark.parametrize("empty", [None, ""])
@pytest.mark.parametrize("name", ["BINANCE_PAY_API_KEY", "BINANCE_PAY_SECRET_KEY"])
def test_one_key_of_binance_pay_without_the_other_is_a_mistake(problems, name, empty):
    assert problems(**{name: empty}) == [
        f"{name} is missing: Binance Pay needs both of its keys, or none where it is off"
    ]


@pytest.mark.parametrize("name", ["BINANCE_PAY_ENVIRONMENT", "BINANCE_PAY_WEBHOOK_URL"])
def test_with_its_keys_binance_pay_needs_the_rest_too(problems, name):
    found = problems(**{name: None, "SITE_URL": "https://example.org", "BINANCE_PAY_BASE_URL": None})

    assert f"{name} is missing, and Binance Pay needs it" in found


def test_what_is_missing_and_what_is_wrong_are_listed_together(problems):
    found = problems(SITE_URL=None, SMTP_TLS="perhaps", OPEN_BOOKINGS_PER_VISITOR="0", OWNER_TIMEZONE="Mars/Olympus")

    assert [sentence.split()[0] for sentence in found] == [
        "SITE_URL", "OWNER_TIMEZONE:", "SMTP_TLS:", "OPEN_BOOKINGS_PER_VISITOR:",
    ]  # fmt: skip


def test_with_only_what_is_needed_the_rest_has_its_default(read):
    settings = read()

    assert settings.payment_expiry == timedelta(minutes=15)
    assert settings.payment_retry_attempts == 3
    assert settings.open_bookings_per_visitor == 3
    assert (settings.rate_limit_create, settings.rate_limit_status) == ("10/minute", "60/minute")
    assert settings.smtp_tls == "starttls"
    assert not settings.dev_mode


# --- never a value --------------------------------------------------------------------------------------------------

FREE_TEXT = sorted(name.upper() for name in Settings.model_fields)


@pytest.mark.parametrize("name", FREE_TEXT)
def test_no_sentence_repeats_what_was_in_a_setting(read, name):
    secret = "S3cr3t-that-must-not-be-seen"
    for sentence in problems_of(lambda: read(**{name: secret})):
        assert secret.lower() not in sentence.lower()


def test_what_is_secret_does_not_show_when_settings_are_printed(read):
    shown = f"{read()!r} {read()}"

    for secret in ("password@", "a secret key", KEY, "'api'", "'secret'", HASH):
        assert secret not in shown


# --- hosts ----------------------------------------------------------------------------------------------------------


def test_production_speaks_to_the_real_hosts(read):
    settings = read(PRODUCTION)

    assert (settings.binance_pay_base_url, settings.calendly_base_url) == (BINANCE_HOST, CALENDLY_API_HOST)
    assert settings.calendly_frame_origin == "https://calendly.com"
    assert not settings.is_sandbox


@pytest.mark.parametrize("name", ["BINANCE_PAY_BASE_URL", "CALENDLY_BASE_URL"])
@pytest.mark.parametrize("url", ["http://127.0.0.1:4000", "https://bpay.binanceapi.com.evil.example"])
def test_production_has_no_other_host(problems, name, url):
    [sentence] = problems(PRODUCTION, **{name: url})

    assert sentence.startswith(f"{name} is pinned to")


@pytest.mark.parametrize(
    "url",
    [
        None,
        "https://bpay.binanceapi.com",
        "http://bpay.binanceapi.com",
        "https://127.0.0.1:4000",
        "http://10.0.0.1:4000",
        "http://localhost.evil.example",
        "http://127.0.0.1@evil.example",
        "http://127.0.0.1.evil.example",
        "http://0.0.0.0:4000",
        "http://",
        "127.0.0.1:4000",
        "",
    ],
)
def test_the_sandbox_is_on_this_machine_only(problems, url):
    assert problems(BINANCE_PAY_BASE_URL=url) == [
        "BINANCE_PAY_BASE_URL must be plain http on this machine's loopback in the sandbox"
    ]


@pytest.mark.parametrize("url", ["http://127.0.0.1:4000/", "http://localhost:4000", "http://[::1]:4000"])
def test_every_name_of_the_loopback_will_do(read, url):
    settings = read(BINANCE_PAY_BASE_URL=url, CALENDLY_BASE_URL=f"{url}calendly", CALENDLY_TOKEN="t")

    assert settings.binance_pay_base_url == url.rstrip("/")
    assert settings.is_sandbox


def test_an_address_that_is_none_is_a_problem_and_no_crash(problems):
    assert problems(BINANCE_PAY_BASE_URL="http://[::1")


def test_in_the_sandbox_calendly_is_the_stand_in_as_well(read, problems):
    assert problems(CALENDLY_TOKEN="t") == [
        "CALENDLY_BASE_URL must be plain http on this machine's loopback in the sandbox"
    ]
    settings = read(CALENDLY_TOKEN="t", CALENDLY_BASE_URL="http://127.0.0.1:4000/calendly")
    assert settings.calendly_frame_origin == "http://127.0.0.1:4000"


@pytest.mark.parametrize("name", ["SITE_URL", "BINANCE_PAY_WEBHOOK_URL"])
def test_production_wants_https(problems, name):
    assert problems(PRODUCTION, **{name: "http://example.org"}) == [f"{name} must be an https address"]


def test_what_is_for_development_is_refused_in_production(problems):
    [sentence] = problems(PRODUCTION, DEV_MODE="1")

    assert sentence.startswith("DEV_MODE is for one's own machine only")


def test_an_unknown_environment_is_refused(problems):
    [sentence] = problems(BINANCE_PAY_ENVIRONMENT="staging")

    assert sentence == "BINANCE_PAY_ENVIRONMENT: must be 'sandbox' or 'production'"


# --- the calendar ---------------------------------------------------------------------------------------------------

STAND_IN = {"CALENDLY_BASE_URL": "http://127.0.0.1:4000/calendly"}


@pytest.mark.parametrize(
    ("calendar", "token", "kind"),
    [
        (None, None, "builtin"),
        (None, "t", "calendly"),
        ("builtin", "t", "builtin"),
        ("calendly", "t", "calendly"),
    ],
)
def test_the_calendar_is_the_one_named_else_calendly_where_there_is_a_token(read, calendar, token, kind):
    assert read(**STAND_IN, CALENDAR=calendar, CALENDLY_TOKEN=token).calendar_kind == kind


def test_calendly_without_a_token_is_a_problem(problems):
    assert problems(**STAND_IN, CALENDAR="calendly") == ["CALENDLY_TOKEN is missing, and CALENDAR=calendly needs it"]


@pytest.mark.parametrize("word", ["google", "Calendly", ""])
def test_an_unknown_calendar_is_refused(problems, word):
    [sentence] = problems(CALENDAR=word)

    assert sentence == "CALENDAR: must be 'calendly', 'calendly_api' or 'builtin'"


@pytest.mark.parametrize(
    ("given", "feeds"),
    [
        (None, ()),
        ("", ()),
        ("https://example.org/a.ics", ("https://example.org/a.ics",)),
        ("webcal://p01.example.org/a?b=c", ("https://p01.example.org/a?b=c",)),
        (
            " https://me:pass%2Cword@example.org:8443/a ,, http://127.0.0.1:4000/b.ics, ",
            ("https://me:pass%2Cword@example.org:8443/a", "http://127.0.0.1:4000/b.ics"),
        ),
    ],
)
def test_the_owners_own_calendars_are_addresses_separated_by_commas(read, given, feeds):
    assert read(BUSY_FEED_URLS=given).busy_feeds == feeds


@pytest.mark.parametrize(
    "value",
    [
        "example.org/a.ics",
        "ftp://example.org/a",
        "https://",
        "https:///a",
        "https://a b/c",
        "https://[::1",
        "https://a/é",
    ],
)
def test_what_is_no_address_of_a_calendar_is_refused(problems, value):
    assert problems(BUSY_FEED_URLS=f"https://example.org/a.ics,{value}") == [
        "BUSY_FEED_URLS: must be addresses such as https://example.org/calendar.ics, separated by commas"
    ]


def test_a_secret_address_never_goes_over_the_net_unencrypted(read, problems):
    for url in ("http://example.org/a.ics", "http://127.0.0.1.example.org/a.ics"):
        assert problems(BUSY_FEED_URLS=url) == ["BUSY_FEED_URLS must be https addresses"]
    assert problems(PRODUCTION, BUSY_FEED_URLS="http://127.0.0.1/a") == ["BUSY_FEED_URLS must be https addresses"]
    assert read(PRODUCTION, BUSY_FEED_URLS="https://example.org/a").busy_feeds
    assert "example.org/a" not in f"{read(BUSY_FEED_URLS='https://example.org/a')!r}"


def test_the_owner_is_invited_as_owner_email_and_as_whom_they_name(read, problems):
    assert read(OWNER_EMAIL="owner@example.com").invited_as == ("owner@example.com",)
    named = read(OWNER_EMAIL="owner@example.com", BUSY_FEED_ADDRESSES=" me@example.org ,, me@example.net")
    assert named.invited_as == ("owner@example.com", "me@example.org", "me@example.net")
    for wrong in ("me", "me@", "@example.org", "me@example.org me@example.net"):
        assert problems(BUSY_FEED_ADDRESSES=wrong) == [
            "BUSY_FEED_ADDRESSES: must be mail addresses, separated by commas"
        ]


# --- numbers, words and keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("env", [SANDBOX, PRODUCTION], ids=["sandbox", "production"])
def test_the_time_to_pay_is_five_to_sixty_minutes(read, problems, env):
    assert read(env, PAYMENT_EXPIRY_MINUTES="5").payment_expiry == timedelta(minutes=5)
    assert read(env, PAYMENT_EXPIRY_MINUTES="60").payment_expiry == timedelta(minutes=60)
    for minutes in ("4.9", "60.1"):
        assert problems(env, PAYMENT_EXPIRY_MINUTES=minutes) == ["PAYMENT_EXPIRY_MINUTES must be between 5 and 60"]


def test_in_development_the_time_to_pay_may_be_short(read):
    assert read(DEV_MODE="1", PAYMENT_EXPIRY_MINUTES="0.05").payment_expiry == timedelta(seconds=3)


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "inf", "1e400", "soon", ""])
def test_a_time_to_pay_that_is_none_is_refused_even_in_development(problems, minutes):
    [sentence] = problems(DEV_MODE="1", PAYMENT_EXPIRY_MINUTES=minutes)

    assert sentence.startswith("PAYMENT_EXPIRY_MINUTES: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BINANCE_CALLS_PER_SECOND", "0"),
        ("BINANCE_CALLS_PER_SECOND", "1001"),
        ("BINANCE_CALLS_PER_SECOND", "many"),
        ("PAYMENT_RETRY_ATTEMPTS", "0"),
        ("PAYMENT_RETRY_ATTEMPTS", "21"),
        ("WEBHOOK_RETRY_DELAY_MS", "99"),
        ("SMTP_PORT", "0"),
        ("SMTP_PORT", "65536"),
        ("SMTP_TLS", "yes"),
        ("TRUSTED_PROXIES", "-1"),
        ("DEV_MODE", "perhaps"),
        ("LOG_LEVEL", "LOUD"),
        ("SECRET_KEY", "short"),
        ("OPEN_BOOKINGS_PER_VISITOR", "many"),
        ("OWNER_TIMEZONE", "Mars/Olympus"),
        ("OWNER_TIMEZONE", "../../etc/passwd"),
        ("OWNER_TIMEZONE", ""),
        ("RATE_LIMIT_CREATE", "10 per fortnight or so"),
        ("RATE_LIMIT_LOGIN", ""),
        ("RATE_LIMIT_STATUS", "many"),
        ("ENCRYPTION_KEYS", "v1:not base64"),
        ("ENCRYPTION_KEYS", "v1:é"),
        ("ENCRYPTION_KEYS", f"v1:{base64.b64encode(b'x' * 31).decode()}"),
        ("ENCRYPTION_KEYS", f"v2:{KEY},v1:{KEY[:20]}"),
        ("ENCRYPTION_KEYS", f"v1:{KEY},"),
        ("ENCRYPTION_KEYS", f"v1:{KEY},v1:{OTHER_KEY}"),
        ("ENCRYPTION_KEYS", f"{KEY},{OTHER_KEY}"),
        ("ENCRYPTION_KEYS", f"{KEY},v1:{OTHER_KEY}"),
        ("ENCRYPTION_KEYS", f"a:b:{KEY}"),
        ("ENCRYPTION_KEYS", ""),
        ("BLIND_INDEX_KEY", base64.b64encode(b"x" * 33).decode()),
        ("BLIND_INDEX_KEY", "short"),
        ("BLIND_INDEX_KEY", f"{KEY},{OTHER_KEY}"),
        ("ADMIN_PASSWORD_HASH", "plain"),
        ("SITE_URL", "example.org"),
        ("SITE_URL", "ftp://example.org"),
        ("SITE_URL", "https://example.org/shop"),
        ("SITE_URL", "https://user@example.org"),
        ("SITE_URL", "https://[example.org"),
        ("SITE_URL", "http://"),
        ("OWNER_EMAIL", "nobody"),
        ("MAIL_FROM", "Inspired Analyst"),
        ("ADMIN_EMAIL", ""),
        ("MONGODB_URI", "postgres://127.0.0.1/x"),
        ("MONGODB_URI", ""),
        ("REDIS_URL", "http://127.0.0.1"),
        ("SMTP_HOST", " "),
        ("TRON_EXPLORER_URL", "http://tronscan.org"),
        ("BNB_EXPLORER_URL", "javascript:alert(1)"),
        ("ETHEREUM_EXPLORER_URL", 'https://etherscan.io/"><b>'),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_settings_name(problems, name, value):
    [sentence] = problems(**{name: value})

    assert sentence.startswith((f"{name}: ", f"{name} "))


@pytest.mark.parametrize("keys", [KEY, f"v1:{KEY}", f"v2:{KEY},v1:{OTHER_KEY}", f"2026-11:{KEY}, old:{OTHER_KEY}"])
def test_keys_may_be_named_and_listed(read, keys):
    assert read(ENCRYPTION_KEYS=keys).encryption_keys.get_secret_value() == keys


@pytest.mark.parametrize("limit", ["10/minute", "1 per second", "100/hour;5/minute", "10000/minute"])
def test_limits_are_in_the_librarys_notation(read, limit):
    assert read(RATE_LIMIT_CREATE=limit).rate_limit_create == limit


@pytest.mark.parametrize(("word", "value"), [("1", True), ("true", True), ("0", False), ("off", False)])
def test_a_yes_or_no_is_read_from_its_words(read, word, value):
    assert read(DEV_MODE=word, PAYMENT_EXPIRY_MINUTES="5").dev_mode is value


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SECRET_KEY", "short", "has fewer than 32 letters; `openssl rand -base64 48` prints a good one"),
        ("TRUSTED_PROXIES", "two", "must be a whole number"),
        ("TRUSTED_PROXIES", "6", "must be at most 5"),
        ("OPEN_BOOKINGS_PER_VISITOR", "0", "must be at least 1"),
        ("PAYMENT_EXPIRY_MINUTES", "soon", "must be a number"),
        ("PAYMENT_EXPIRY_MINUTES", "inf", "must be a number"),
        ("PAYMENT_EXPIRY_MINUTES", "0", "must be more than 0"),
        ("DEV_MODE", "perhaps", "must be 1 or 0"),
        ("SMTP_TLS", "perhaps", "must be 'starttls', 'tls' or 'none'"),
        ("LOG_LEVEL", "loud", "must be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
    ],
)
def test_what_is_wrong_is_told_in_words_of_ours(problems, name: str, value: str, words: str):
    assert problems(**{name: value}) == [f"{name}: {words}"]


@pytest.mark.parametrize("url", ["", "https://tronscan.org/#/", "https://explorer.example:8443/tron"])
def test_a_block_explorer_is_an_https_address_or_none(read, url):
    assert read(TRON_EXPLORER_URL=url).tron_explorer_url == url.rstrip("/")


def test_what_the_platform_sets_besides_is_not_our_business(read):
    assert read(SOMETHING_ELSE="x", PORT="5000").site_url == "http://localhost:5000"


def test_several_things_wrong_together_are_told_one_by_one(problems):
    found = problems(PRODUCTION, SITE_URL="http://x", PAYMENT_EXPIRY_MINUTES="1", ADMIN_PASSWORD_HASH="plain")

    assert sorted(found) == [
        "ADMIN_PASSWORD_HASH must be made by `inspired hash-password`",
        "PAYMENT_EXPIRY_MINUTES must be between 5 and 60",
        "SITE_URL must be an https address",
    ]


def test_what_is_missing_does_not_hide_what_does_not_fit_together(problems):
    found = problems(PRODUCTION, SMTP_HOST=None, BINANCE_PAY_BASE_URL="http://127.0.0.1:1", PAYMENT_EXPIRY_MINUTES="1")

    assert sorted(found) == [
        f"BINANCE_PAY_BASE_URL is pinned to {BINANCE_HOST} in production: remove the setting",
        "PAYMENT_EXPIRY_MINUTES must be between 5 and 60",
        "SMTP_HOST is missing",
    ]


def test_a_rule_about_what_is_missing_or_wrong_itself_is_not_told_as_well(problems):
    assert problems(PRODUCTION, SITE_URL=None, ADMIN_PASSWORD_HASH=None) == [
        "SITE_URL is missing",
        "ADMIN_PASSWORD_HASH is missing",
    ]


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(
    name=st.sampled_from(FREE_TEXT),
    value=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30),
)
def test_whatever_stands_in_a_setting_is_read_or_listed_and_never_a_crash(read, name, value):
    assert problems_of(lambda: read(**{**SANDBOX, name: value})) is not None


def test_whose_certificate_redis_may_have_is_one_of_two_words(read, problems):
    assert read().verifies_redis
    assert not read(REDIS_TLS="require").verifies_redis
    assert any("REDIS_TLS" in one for one in problems(REDIS_TLS="none"))


def test_how_many_connections_a_process_may_have_is_a_number_it_can_work_with(read, problems):
    assert (read().redis_connections, read().mongodb_connections) == (4, 20)
    assert read(REDIS_CONNECTIONS="30", MONGODB_CONNECTIONS="100").redis_connections == 30
    for name, value in (("REDIS_CONNECTIONS", "2"), ("MONGODB_CONNECTIONS", "1"), ("REDIS_CONNECTIONS", "many")):
        assert any(name in one for one in problems(**{name: value}))


def test_a_screening_list_is_a_file_or_an_https_address(read, problems):
    for wrong in ("http://example.org/list", "http://10.0.0.1/list"):
        assert problems(SCREENING_LIST=wrong) == ["SCREENING_LIST must be a file or an https address"]
    for right in ("", "/etc/list.txt", "https://example.org/list"):
        assert read(SCREENING_LIST=right).screening_list.get_secret_value() == right
