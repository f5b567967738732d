"""How a sandbox is started, and the switches that can be turned while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from zoneinfo import ZoneInfo

MOST_SPEED_UP = 10_000


@dataclass(frozen=True)
class Config:
    """What is fixed for the life of the process."""

    api_key: str
    secret_key: str
    calendly_token: str
    public_url: str
    data: Path | None = None
    seed: str = "sandbox"
    owner_timezone: str = "Europe/London"

    def __post_init__(self) -> None:
        for name in ("api_key", "secret_key"):
            value = getattr(self, name)
            if not value:
                raise ValueError(f"{name} is missing")
            if len(value) == 64 and value.isalnum():
                # Binance's own keys are 64 letters and digits: never let a real one near a stand-in.
                raise ValueError(f"{name} looks like a real Binance Pay key (64 letters and digits); use another one")
        ZoneInfo(self.owner_timezone)

    @property
    def calendly_url(self) -> str:
        return f"{self.public_url}/calendly"


@dataclass
class Settings:
    """What can be changed by `POST /control/settings`; a reset brings the first values back."""

    always_200: bool = False
    """Binance: HTTP 200 for every envelope, refusals included (the real statuses are not published)."""
    timestamp_window_ms: int = 5_000
    """Binance says 1 s; a loaded test machine needs more."""
    scientific_amounts: bool = False
    """Binance: amounts as 1.05E+1, as some real answers have them."""
    merchant_balance: str | None = None
    """Binance: what refunds can be paid from; none for no limit."""
    refund_outcome: str = "success"
    """Binance: success, pending (until completed by hand) or fail."""
    commission: str = "0"
    """Binance: what it keeps of each payment, as a share of it: 0.01 is one percent. Notices tell the amount."""
    commission_in_query: bool = False
    """Binance: the commission in the answer to a query too (one page of the manual says so, no capture shows it)."""
    close_delay_s: float = 0.0
    """Binance: how long after an accepted close the order is really closed."""
    notify_closed: bool = True
    """Binance: PAY_CLOSED can be switched off by the merchant."""
    webhook_timeout_s: float = 5.0
    webhook_retry_base_s: float = 0.5
    hang_s: float = 10.0
    """How long a timeout fault hangs before the connection is dropped."""
    copy_tracking_on_reschedule: bool = False
    """Calendly: whether the new invitee carries the old one's tracking (not documented, so not relied on)."""
    duration_options: str = ""
    """Calendly: further lengths, in minutes with spaces between, that an invitee may choose for every event type."""
    enforce_rate_limit: bool = False
    """Calendly: refuse above 500 calls a minute."""
    calendly_scopes: str = ""
    """Calendly: what the token may do, with spaces between (`users:read webhooks:write …`); empty: everything."""
    trc20_speed_up: float = 15.0
    """Chains: TRON's 3 s from block to block pass in 0.2 s, so 18 blocks are there, and money is final, after 3.6 s.
    0: blocks come only when they are mined by hand."""
    bep20_speed_up: float = 1.0
    """Chains: BNB Smart Chain's 0.45 s as they are; final two blocks later, after 0.9 s."""
    erc20_speed_up: float = 120.0
    """Chains: Ethereum's 12 s pass in 0.1 s; final 64 blocks later, after 6.4 s."""
    chain_log_range: int = 10_000
    """Chains: how many blocks one eth_getLogs may span on BNB Smart Chain and Ethereum; 0 for no limit. Providers allow
    from 5 to 10,000. TRON's own 5,000 are fixed."""
    chain_log_results: int = 10_000
    """Chains: how many logs one answer may have on BNB Smart Chain and Ethereum."""

    def speed_up(self, network: str) -> float:
        return {"TRC20": self.trc20_speed_up, "BEP20": self.bep20_speed_up, "ERC20": self.erc20_speed_up}[network]

    def as_dict(self) -> dict[str, object]:
        return asdict(self)

    def changed(self, values: Mapping[str, object]) -> Settings:
        """A copy with these values; ValueError names the first one that is wrong."""
        current = self.as_dict()
        for name, value in values.items():
            if name not in current:
                raise ValueError(f"there is no setting {name}")
            current[name] = _checked(name, value, _KINDS[name])
        if current["refund_outcome"] not in ("success", "pending", "fail"):
            raise ValueError("refund_outcome must be success, pending or fail")
        if not all(
            minutes.isdecimal() and 1 <= int(minutes) <= 720 for minutes in str(current["duration_options"]).split()
        ):
            raise ValueError("duration_options must be minutes from 1 to 720, such as 30 60")
        for name in ("trc20_speed_up", "bep20_speed_up", "erc20_speed_up"):
            if not 0 <= float(str(current[name])) <= MOST_SPEED_UP:
                raise ValueError(f"{name} must be from 0 to {MOST_SPEED_UP}")
        if not _is_share(str(current["commission"])):
            raise ValueError("commission must be a share from 0 to 1, such as 0.01")
        return Settings(**current)  # type: ignore[arg-type]


_KINDS = {field.name: str(field.type) for field in fields(Settings)}


def _checked(name: str, value: object, kind: str) -> object:
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind in ("int", "float") and isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        if not 0 <= value <= 10**9:
            raise ValueError(f"{name} is out of range")
        return int(value) if kind == "int" else float(value)
    if kind == "str" and isinstance(value, str):
        return value
    if kind == "str | None" and (value is None or isinstance(value, str | int)):
        return value if value is None else _amount(name, str(value))
    raise ValueError(f"{name} must be a {kind}")


def _is_share(value: str) -> bool:
    try:
        return 0 <= Decimal(value) <= 1
    except InvalidOperation:
        return False


def _amount(name: str, value: str) -> str:
    try:
        if Decimal(value) >= 0:
            return value
    except InvalidOperation:
        pass
    raise ValueError(f"{name} must be an amount")
