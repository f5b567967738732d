"""A second node of another provider, whose word is needed too: before money confirms a call, and before an order is
closed as unpaid. One node that lies or was taken over can then neither make money up nor hide it.

While the second one is away or says something else, nothing is confirmed or closed, and the owner is told.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from inspired.adapters.providers.chain_node import ChainNode
from inspired.domain.shared.errors import UpstreamError
from inspired.domain.shared.networks import Transfer

LONGEST = 2.0  # seconds for all it is asked about one order


class SecondNode:
    """`said`: called with whether it answered and agreed, and why not."""

    def __init__(self, node: ChainNode, said: Callable[[bool, str], None]) -> None:
        self._node = node
        self._said = said

    def agrees(self, transfers: Sequence[Transfer]) -> bool:
        """True if each of these final transfers is final for this node too: the same block, place and amount."""
        try:
            head = self._node.head(LONGEST)
            if any(one.block_number > head.finalized for one in transfers):
                return False  # it is behind, which is nothing to tell of
            differing = next((one for one in transfers if not self._tells_of(one)), None)
        except UpstreamError as error:
            self._said(False, f"the second node does not answer: {error}")
            return False
        if differing is not None:
            self._said(False, f"the two nodes tell different things of transaction {differing.tx_hash}")
            return False
        self._said(True, "")
        return True

    def sees_nothing(self, address: str, first: int, after: datetime, known: Collection[str] = ()) -> bool:
        """True if a block stamped at or after this moment was read, and nothing had reached the address but the
        transfers of these names, which do not pay for it."""
        try:
            head = self._node.head(LONGEST)
            if head.time < after:
                return False
            there = self._node.transfers([address], first, head.number, seconds=LONGEST)
            found = [one for one in there if one.name not in known]
        except UpstreamError as error:
            self._said(False, f"the second node does not answer: {error}")
            return False
        if found:
            self._said(False, f"only the second node tells of transaction {found[0].tx_hash}")
            return False
        self._said(True, "")
        return True

    def _tells_of(self, transfer: Transfer) -> bool:
        mined = self._node.transaction(transfer.tx_hash, seconds=LONGEST)
        if mined is None:
            return False
        place = (transfer.block_hash, transfer.log_index, transfer.recipient, transfer.units)
        return place in {(one.block_hash, one.log_index, one.recipient, one.units) for one in mined.transfers}
