"""Where receiving addresses come from: an account's public key, or a list that the owner has pasted.

Both give an address by its number and can spend nothing. A list is for wallets that export no account key. A secret
that is pasted by mistake is refused before anything else looks at the text.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from inspired.adapters.crypto import chain_addresses
from inspired.adapters.crypto.account_keys import AccountKey, refuse_secret
from inspired.domain.shared.errors import Invalid
from inspired.domain.shared.networks import Kind, Network

MOST_ADDRESSES = 1000  # so that a list fits into one form
MOST_LINES_TOLD = 5
OF_KIND = {Kind.EVM: Network.ERC20, Kind.TRON: Network.TRC20}  # a network whose addresses this kind's are
BEGINNINGS = {Kind.EVM: "0x", Kind.TRON: "T"}


@dataclass(frozen=True, slots=True)
class AddressList:
    """`addresses`: 20 bytes each, as lower-case hex with 0x, in the order in which they are given out. They reveal what
    the owner receives, so they are absent from `repr`."""

    kind: Kind
    addresses: tuple[str, ...] = field(repr=False)

    def address(self, index: int) -> str:
        """ValueError beyond the last one."""
        if not 0 <= index < len(self.addresses):
            raise ValueError("the list has no address of this number")
        return self.addresses[index]

    @classmethod
    def read(cls, kind: Kind, text: str) -> "AddressList":
        """One address in a line; empty lines are no part of it. Raises Invalid, naming the lines that are wrong and
        repeating nothing of them."""
        refuse_secret(text)
        found: dict[str, int] = {}  # with their lines
        wrong: list[str] = []
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip():
                continue
            try:
                address = chain_addresses.parsed(OF_KIND[kind], line, unchecked=True)
            except Invalid as error:
                wrong.append(f"Line {number}: {error}")
                continue
            if address in found:
                wrong.append(f"Line {number}: this address stands in line {found[address]} already.")
            found.setdefault(address, number)
        if not found and not wrong:
            wrong.append("Please paste an account key, or addresses, one in a line.")
        if len(found) > MOST_ADDRESSES:
            wrong.append(f"A list has at most {MOST_ADDRESSES} addresses.")
        if wrong:
            raise Invalid(" ".join(_first(wrong)))
        return cls(kind, tuple(found))


@dataclass(frozen=True, slots=True)
class Source:
    """`id` is empty for a key that was entered before sources had ids. `text` is what the owner entered, in one
    spelling."""

    id: str
    kind: Kind
    text: str = field(repr=False)
    given_by: AccountKey | AddressList

    def address(self, index: int) -> str:
        """20 bytes as lower-case hex with 0x. ValueError if there is none of this number."""
        return self.given_by.address(index)

    @property
    def size(self) -> int | None:
        """How many addresses there are; None for an account key, which has more than anybody needs."""
        return len(self.given_by.addresses) if isinstance(self.given_by, AddressList) else None

    @property
    def is_everybodys(self) -> bool:
        """True if it is the account, or has an address, of the recovery phrase that everybody knows."""
        given_by = self.given_by
        first = given_by.addresses if isinstance(given_by, AddressList) else (given_by.address(0),)
        return not chain_addresses.EVERYBODYS.isdisjoint(first)

    @property
    def network(self) -> Network:
        """One of those that have these addresses."""
        return OF_KIND[self.kind]


def read(kind: Kind, text: str) -> AccountKey | AddressList:
    """An account key if it is a single word that is no address, else a list. Raises Invalid with a sentence that
    repeats nothing of the text."""
    refuse_secret(text)
    words = text.split()
    is_address = any(words[0].startswith(beginning) for beginning in BEGINNINGS.values()) if words else False
    if len(words) == 1 and not is_address:
        return AccountKey.read(kind, text)
    return AddressList.read(kind, text)


def in_one_spelling(given_by: AccountKey | AddressList, text: str) -> str:
    """The same key or list is the same text, however it was pasted."""
    if isinstance(given_by, AccountKey):
        return text.strip()
    network = OF_KIND[given_by.kind]
    return "\n".join(chain_addresses.shown(network, address) for address in given_by.addresses)


def _first(wrong: list[str]) -> Iterator[str]:
    yield from wrong[:MOST_LINES_TOLD]
    if len(wrong) > MOST_LINES_TOLD:
        yield f"{len(wrong) - MOST_LINES_TOLD} more lines are wrong."
