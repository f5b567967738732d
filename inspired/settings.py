"""Every setting once, read once, strictly. A start with something missing or wrong lists all of it.

In production `BINANCE_PAY_ENVIRONMENT=production` pins the real hosts. `sandbox` takes the two base URLs, plain http
and loopback only, so that no real customer's money can ever meet the stand-in, nor the other way round.

Binance Pay is on where both of its keys are set. Without them the other rails go on, and whatever else is set for it
does nothing; then the environment is production unless it is said to be the sandbox.
"""

import base64
import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from ipaddress import ip_address
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from limits import parse_many
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from inspired.domain.booking.rails import RailId
from inspired.domain.shared.networks import Network

BINANCE_HOST = "https://bpay.binanceapi.com"
CALENDLY_API_HOST = "https://api.calendly.com"
CALENDLY_SITE = "https://calendly.com"
FEED = re.compile(r"(https|webcal|http)://([!-.0-Z^-~]+@)?[A-Za-z0-9.-]+(:\d{1,5})?([/?][!-~]*)?")
EXPLORER = re.compile(r"https://[A-Za-z0-9.-]+(:\d{1,5})?([/#][!#%-;=?-Z_a-z~]*)?")
RateLimit = Annotated[str, Field(description="in flask-limiter's notation, e.g. 10/minute")]


class SettingsError(Exception):
    """`problems` is one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Settings(BaseSettings):
    """The environment, as the product understands it. Names are the environment's, in lower case."""

    model_config = SettingsConfigDict(env_file=None, extra="ignore", frozen=True, hide_input_in_errors=True)

    # The site
    site_url: str = Field(description="the site's own address, e.g. https://example.org")
    secret_key: SecretStr = Field(description="signs sessions and forms")
    secret_key_fallbacks: str = ""  # older keys, separated by commas, while one is being replaced
    trusted_proxies: int = Field(default=0, ge=0, le=5, description="hops in front of us that set X-Forwarded-For")
    web_threads: int = Field(default=64, ge=1, le=1000)  # in each web process
    # With what is left for rendering, every answer of the default is out within 3 s.
    request_seconds: float = Field(default=2.3, ge=1, le=30, description="what database and provider may take together")
    dev_mode: bool = False  # set by `inspired dev` only: short expiry allowed, cookies without https
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    # Stores
    mongodb_uri: SecretStr
    mongodb_database: str = "inspired-analyst"
    redis_url: SecretStr
    redis_tls: Literal["verify-full", "require"] = "verify-full"  # require: encrypted, whoever it is
    redis_connections: int = Field(default=4, ge=3, le=10_000)  # at most, of each process
    mongodb_connections: int = Field(default=20, ge=5, le=10_000)  # the same, to each server of the set

    # Personal data
    encryption_keys: SecretStr = Field(description="v2:BASE64,v1:BASE64 – 32 bytes each, the first one encrypts")
    blind_index_key: SecretStr = Field(description="BASE64 of 32 bytes")

    # Binance Pay
    binance_pay_environment: Literal["sandbox", "production"] | None = None  # of the whole site
    binance_pay_api_key: SecretStr = SecretStr("")
    binance_pay_secret_key: SecretStr = SecretStr("")
    binance_pay_webhook_url: str = ""
    binance_pay_base_url: str = BINANCE_HOST
    binance_pay_merchant_id: str = ""  # compared with the provider's answers where set
    binance_pay_cert_id: str = ""  # optional pin: only this certificate serial is accepted
    binance_calls_per_second: int = Field(default=20, ge=1, le=1000)  # of all processes together
    payment_expiry_minutes: float = Field(default=15, gt=0, allow_inf_nan=False)
    on_chain_expiry_minutes: float = Field(default=30, gt=0, allow_inf_nan=False)  # TRON and BNB Chain
    ethereum_expiry_minutes: float = Field(default=60, gt=0, allow_inf_nan=False)
    refund_minimum: Decimal = Field(default=Decimal(1), ge=0, le=100, description="in USDT, from your wallet unasked")
    refund_two_owners_above: Decimal = Field(default=Decimal(500), ge=0, description="in USDT, where there are two")
    tron_explorer_url: str = "https://tronscan.org/#"  # linked to, never asked; empty: no links
    bnb_explorer_url: str = "https://bscscan.com"
    ethereum_explorer_url: str = "https://etherscan.io"
    payment_retry_attempts: int = Field(default=3, ge=1, le=20)
    webhook_retry_delay_ms: int = Field(default=5000, ge=100, le=600_000)

    # The calendar
    calendar: Literal["calendly", "calendly_api", "builtin"] | None = None
    calendly_token: SecretStr = SecretStr("")
    calendly_base_url: str = CALENDLY_API_HOST
    calendly_signing_keys: SecretStr = SecretStr("")  # of its webhooks, separated by commas; two while one is replaced
    calendly_orphan_hours: int = Field(default=12, ge=0, le=72, description="to pay for what was booked past our pages")
    busy_feed_urls: SecretStr = SecretStr("")  # of the owner's own calendar as ICS, separated by commas
    busy_feed_addresses: str = Field(default="", description="mail addresses you are invited under, by commas")
    owner_timezone: str = "Europe/London"
    meeting_place: str = Field(default="", description="where the call happens; told only in the confirmation")

    # Mail
    smtp_host: str
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_tls: Literal["starttls", "tls", "none"] = "starttls"
    smtp_username: str = ""
    smtp_password: SecretStr = SecretStr("")
    mail_from: str
    owner_email: str

    # The owner
    admin_email: str
    admin_password_hash: SecretStr = Field(description="argon2id, made by `inspired hash-password`")

    # Limits
    rate_limit_create: RateLimit = "10/minute"
    rate_limit_status: RateLimit = "60/minute"
    rate_limit_verify: RateLimit = "6/minute"
    rate_limit_login: RateLimit = "5/minute"
    rate_limit_bad_webhook: RateLimit = "30/minute"
    open_bookings_per_visitor: int = Field(default=3, ge=1)
    addresses_per_visitor: int = Field(default=5, ge=1)  # on chain, in a day
    sender_fee_tolerance: Decimal = Field(
        default=Decimal(0), ge=0, le=2, description="percent an on-chain payment may lack"
    )
    two_nodes_from: Decimal = Field(default=Decimal(0), ge=0, description="USDT from which a second node must agree")
    screening_list: SecretStr = Field(
        default=SecretStr(""), description="a file or an https address: money from addresses in it waits for the owner"
    )
    address_gap_limit: int = Field(default=20, ge=1, le=10_000, description="unpaid addresses in a row a wallet finds")

    @field_validator(
        "rate_limit_create", "rate_limit_status", "rate_limit_verify", "rate_limit_login", "rate_limit_bad_webhook"
    )
    @classmethod
    def _is_a_limit(cls, value: str) -> str:
        try:
            limits = parse_many(value)
        except ValueError:
            limits = []
        if not limits:
            raise ValueError("is not a limit such as 10/minute")
        return value

    @field_validator("secret_key")
    @classmethod
    def _is_long(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < 32:
            raise ValueError("has fewer than 32 letters; `openssl rand -base64 48` prints a good one")
        return value

    @field_validator("owner_timezone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("is not an IANA time zone such as Europe/London") from None
        return value

    @field_validator("site_url", "binance_pay_base_url", "calendly_base_url")
    @classmethod
    def _without_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @field_validator("encryption_keys")
    @classmethod
    def _are_named_keys(cls, value: SecretStr) -> SecretStr:
        names = []
        for item in value.get_secret_value().split(","):
            name, _, key = item.strip().rpartition(":")
            names.append(name or "v1")
            _check_key(key)
        if len(set(names)) < len(names) or any(":" in name for name in names):
            raise ValueError("each key needs a name of its own, such as v2:BASE64,v1:BASE64")
        return value

    @field_validator("blind_index_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        _check_key(value.get_secret_value())
        return value

    @field_validator("site_url")
    @classmethod
    def _is_a_site(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.path or parts.query:
            raise ValueError("must be an address such as https://example.org, without a path")
        return value

    @field_validator("owner_email", "admin_email", "mail_from")
    @classmethod
    def _has_an_address(cls, value: str) -> str:
        if not re.search(r"[^\s@<]+@[^\s@>]+", value):
            raise ValueError("must be a mail address")
        return value

    @field_validator("mongodb_uri", "redis_url")
    @classmethod
    def _is_a_server(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        schemes = ("mongodb", "mongodb+srv") if info.field_name == "mongodb_uri" else ("redis", "rediss")
        if urlsplit(value.get_secret_value()).scheme not in schemes:
            raise ValueError(f"must begin with {schemes[0]}://")
        return value

    @field_validator("busy_feed_urls")
    @classmethod
    def _are_addresses(cls, value: SecretStr) -> SecretStr:
        for url in _listed(value):
            if not FEED.fullmatch(url):
                raise ValueError("must be addresses such as https://example.org/calendar.ics, separated by commas")
        return value

    @field_validator("tron_explorer_url", "bnb_explorer_url", "ethereum_explorer_url")
    @classmethod
    def _is_an_explorer(cls, value: str) -> str:
        value = value.rstrip("/")
        if value and not EXPLORER.fullmatch(value):
            raise ValueError("must be an https address such as https://etherscan.io, or empty")
        return value

    @field_validator("busy_feed_addresses")
    @classmethod
    def _are_mail_addresses(cls, value: str) -> str:
        if not all(
            "@" in address.strip().strip("@") and " " not in address.strip()
            for address in value.split(",")
            if address.strip()
        ):
            raise ValueError("must be mail addresses, separated by commas")
        return value

    @field_validator("smtp_host")
    @classmethod
    def _is_given(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must not be empty")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if problems := self.problems(set(type(self).model_fields)):
            raise ValueError("\n".join(problems))
        return self

    def problems(self, known: set[str]) -> list[str]:
        """What does not fit together, as far as these fields are right by themselves."""
        return [sentence for fields, sentence in self._rules() if fields <= known]

    def _rules(self) -> Iterator[tuple[set[str], str]]:
        """The fields a rule is about, and its sentence, for each rule that is broken."""
        production = not self.is_sandbox
        yield from self._rules_of_binance_pay()
        calendar = {"calendar", "calendly_token"}
        for name, host, also in (
            ("binance_pay_base_url", BINANCE_HOST, set[str]()),
            ("calendly_base_url", CALENDLY_API_HOST, calendar),
        ):
            value, fields = getattr(self, name), {"binance_pay_environment", name}
            if production and value != host:
                yield fields, f"{name.upper()} is pinned to {host} in production: remove the setting"
            used = not also or self.uses_calendly
            if not production and used and not _is_loopback(value):
                yield fields | also, f"{name.upper()} must be plain http on this machine's loopback in the sandbox"
        if production and self.dev_mode:
            yield {"binance_pay_environment", "dev_mode"}, "DEV_MODE is for one's own machine only: remove the setting"
        if not self.dev_mode and not 5 <= self.payment_expiry_minutes <= 60:
            yield {"dev_mode", "payment_expiry_minutes"}, "PAYMENT_EXPIRY_MINUTES must be between 5 and 60"
        if production and not self.site_url.startswith("https://"):
            yield {"binance_pay_environment", "site_url"}, "SITE_URL must be an https address"
        if self.uses_calendly and not self.calendly_token.get_secret_value():
            yield calendar, f"CALENDLY_TOKEN is missing, and CALENDAR={self.calendar_kind} needs it"
        if any(url.startswith("http:") and (production or not _is_loopback(url)) for url in self.busy_feeds):
            yield {"binance_pay_environment", "busy_feed_urls"}, "BUSY_FEED_URLS must be https addresses"
        listed_at = self.screening_list.get_secret_value()
        if listed_at.startswith("http:") and (production or not _is_loopback(listed_at)):
            yield {"binance_pay_environment", "screening_list"}, "SCREENING_LIST must be a file or an https address"
        if not self.admin_password_hash.get_secret_value().startswith("$argon2id$"):
            yield {"admin_password_hash"}, "ADMIN_PASSWORD_HASH must be made by `inspired hash-password`"

    def _rules_of_binance_pay(self) -> Iterator[tuple[set[str], str]]:
        keys = {"binance_pay_api_key", "binance_pay_secret_key"}
        missing = [name for name in sorted(keys) if not getattr(self, name).get_secret_value()]
        if len(missing) == 1:
            yield keys, f"{missing[0].upper()} is missing: Binance Pay needs both of its keys, or none where it is off"
        if missing:
            return
        for name in ("binance_pay_environment", "binance_pay_webhook_url"):
            if not getattr(self, name):
                yield keys | {name}, f"{name.upper()} is missing, and Binance Pay needs it"
        url, fields = self.binance_pay_webhook_url, {"binance_pay_environment", "binance_pay_webhook_url"}
        if not self.is_sandbox and url and not url.startswith("https://"):
            yield keys | fields, "BINANCE_PAY_WEBHOOK_URL must be an https address"

    @property
    def uses_binance_pay(self) -> bool:
        return bool(self.binance_pay_api_key.get_secret_value() and self.binance_pay_secret_key.get_secret_value())

    @property
    def calendar_kind(self) -> Literal["calendly", "calendly_api", "builtin"]:
        """Times are picked in Calendly's own frame, or on our pages: from Calendly by its API, or from our calendar."""
        return self.calendar or ("calendly" if self.calendly_token.get_secret_value() else "builtin")

    @property
    def calendly_keys(self) -> tuple[str, ...]:
        return _listed(self.calendly_signing_keys)

    @property
    def busy_feeds(self) -> tuple[str, ...]:
        """Addresses to read; webcal:// is how calendars write https://."""
        return tuple(re.sub("^webcal:", "https:", url) for url in _listed(self.busy_feed_urls))

    @property
    def invited_as(self) -> tuple[str, ...]:
        """Whose "no" to an invitation keeps its time free for calls."""
        return tuple(
            address.strip() for address in (self.owner_email, *self.busy_feed_addresses.split(",")) if address.strip()
        )

    @property
    def uses_calendly(self) -> bool:
        return self.calendar_kind != "builtin"

    @property
    def in_frame(self) -> bool:
        return self.calendar_kind == "calendly"

    @property
    def verifies_redis(self) -> bool:
        """Whether the certificate of a rediss:// address has to be one that is known, and for its name."""
        return self.redis_tls == "verify-full"

    @property
    def payment_expiry(self) -> timedelta:
        return timedelta(minutes=self.payment_expiry_minutes)

    def expiry_of(self, rail: RailId) -> timedelta:
        """How long a booking waits for its money, by the rail chosen for it."""
        match rail:
            case RailId.BINANCE_PAY:
                return self.payment_expiry
            case RailId.ERC20:
                return timedelta(minutes=self.ethereum_expiry_minutes)
        return timedelta(minutes=self.on_chain_expiry_minutes)

    def explorer_of(self, network: Network) -> str:
        """The beginning of its links; "" for none."""
        match network:
            case Network.TRC20:
                return self.tron_explorer_url
            case Network.BEP20:
                return self.bnb_explorer_url
        return self.ethereum_explorer_url

    @property
    def calendly_frame_origin(self) -> str:
        """Where the scheduling frame comes from: the only other origin our pages may embed."""
        if self.calendly_base_url == CALENDLY_API_HOST:
            return CALENDLY_SITE
        parts = urlsplit(self.calendly_base_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def is_https(self) -> bool:
        return self.site_url.startswith("https://")

    @property
    def is_sandbox(self) -> bool:
        return self.binance_pay_environment == "sandbox"

    @property
    def stand_in_hosts(self) -> frozenset[str]:
        """Where a sandbox's stand-in may be."""
        return frozenset({"127.0.0.1", "localhost", "::1", urlsplit(self.binance_pay_base_url).hostname or ""})


def _listed(value: SecretStr) -> tuple[str, ...]:
    return tuple(key.strip() for key in value.get_secret_value().split(",") if key.strip())


def _check_key(text: str) -> None:
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        raise ValueError("is not base64") from None
    if len(key) != 32:
        raise ValueError("needs 32 bytes, in base64")


def _is_loopback(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        return False
    try:
        return ip_address(parts.hostname).is_loopback
    except ValueError:
        return parts.hostname == "localhost"


class _Partial(Settings):
    """The same fields without the rules between them: so that one start tells all that is wrong."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        return self


def read_settings() -> Settings:
    """From the environment. Raises SettingsError with everything that is missing or wrong, never with a value."""
    try:
        return Settings()
    except ValidationError as error:
        found = [sentence for problem in error.errors() for sentence in _sentences(problem)]
        wrong = {str(problem["loc"][0]) for problem in error.errors() if problem["loc"]}
    if wrong:
        rest = _Partial(**{name: HARMLESS.get(name, "x") for name in wrong})
        found += rest.problems(set(Settings.model_fields) - wrong)
    raise SettingsError(found)


# In the place of what is missing or wrong, while the rest is looked at.
_KEY = base64.b64encode(bytes(32)).decode()
HARMLESS: dict[str, Any] = {
    "site_url": "https://example.org",
    "secret_key": "x" * 32,
    "mongodb_uri": "mongodb://x",
    "redis_url": "redis://x",
    "encryption_keys": _KEY,
    "blind_index_key": _KEY,
    "binance_pay_environment": "sandbox",
    "mail_from": "x@example.org",
    "owner_email": "x@example.org",
    "admin_email": "x@example.org",
    **{name: field.default for name, field in Settings.model_fields.items() if not field.is_required()},
}


# What the library finds wrong, in words for whoever sets it; its own are about inputs and validation.
WORDS = {
    "too_short": "is empty",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "finite_number": "must be a number",
    "bool_parsing": "must be 1 or 0",
    "bool_type": "must be 1 or 0",
    "literal_error": "must be {expected}",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
}


def _sentences(problem: ErrorDetails) -> list[str]:
    message = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return message.splitlines()
    name = str(problem["loc"][0]).upper()
    if problem["type"] == "missing":
        return [f"{name} is missing"]
    words = WORDS.get(problem["type"])
    return [f"{name}: {words.format(**problem.get('ctx', {})) if words else message}"]
