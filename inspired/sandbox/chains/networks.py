"""What is particular to each network. Amounts of time are real ones; a speed-up divides them (see `chain`)."""

from __future__ import annotations

from dataclasses import dataclass

from .addresses import keccak


@dataclass(frozen=True)
class Token:
    symbol: str
    address: str
    """`0x` and 40 small digits."""
    decimals: int


@dataclass(frozen=True)
class Network:
    name: str
    title: str
    chain_id: int
    block_s: float
    """Seconds between two blocks."""
    final_depth: int
    """A block is final when so many have been built on it. The same rule everywhere: `finalized` is latest − this."""
    safe_depth: int | None
    """The same for the tag `safe`; none where the tag is refused."""
    client: str
    first_height: int
    """The number of the newest block when a sandbox is new: large, as on the real networks."""
    usdt: Token
    fake: Token
    """Another contract with the symbol of the real one. Anybody can make one."""

    @property
    def is_tron(self) -> bool:
        return self.name == "TRC20"

    @property
    def tokens(self) -> dict[str, Token]:
        return {"USDT": self.usdt, "FAKE": self.fake}

    def token_at(self, address: str) -> Token | None:
        return next((token for token in self.tokens.values() if token.address == address), None)

    def wallet(self, owner: str) -> str:
        """An address of somebody made up."""
        return "0x" + keccak(f"{self.name} {owner}".encode())[-20:].hex()


def _fake(name: str, decimals: int) -> Token:
    return Token("USDT", "0x" + keccak(f"{name} not USDT".encode())[-20:].hex(), decimals)


NETWORKS = {
    network.name: network
    for network in (
        Network(
            name="TRC20", title="TRON", chain_id=728126428, block_s=3.0, final_depth=18, safe_depth=None,
            client="TRON/v4.8.1/Linux/Java1.8/GreatVoyage-Sandbox", first_height=78_000_000,
            # In base58check: TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t
            usdt=Token("USDT", "0xa614f803b6fd780986a42c78ec9c7f77e6ded13c", 6), fake=_fake("TRC20", 6),
        ),
        Network(
            name="BEP20", title="BNB Smart Chain", chain_id=56, block_s=0.45, final_depth=2, safe_depth=1,
            client="Geth/v1.6.4-sandbox/linux-amd64/go1.24", first_height=72_000_000,
            usdt=Token("USDT", "0x55d398326f99059ff775485246999027b3197955", 18), fake=_fake("BEP20", 18),
        ),
        Network(
            # Two epochs of 32 slots; more when votes are missing, which no vote is here.
            name="ERC20", title="Ethereum", chain_id=1, block_s=12.0, final_depth=64, safe_depth=32,
            client="Geth/v1.16.7-sandbox/linux-amd64/go1.24", first_height=24_000_000,
            usdt=Token("USDT", "0xdac17f958d2ee523a2206206994597c13d831ec7", 6), fake=_fake("ERC20", 6),
        ),
    )
}  # fmt: skip
