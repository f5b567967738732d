"""The words that differ between payment rails. Every other sentence is the same for all of them, and takes these."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache

from inspired.domain.booking.rails import CAPABILITIES, RailId
from inspired.domain.shared.networks import Facts

_BINANCE = CAPABILITIES[RailId.BINANCE_PAY]


@dataclass(frozen=True, slots=True)
class Words:
    """One rail's phrases, each with a sentence that it completes; a phrase with a full stop is a sentence itself."""

    rail: str  # … rejected a refund
    asked: str  # … is asked whether it was paid

    # Paying.
    how: str  # you pay …
    source: str  # … from where
    speed: str  # it usually takes …
    fee: str  # what a payment costs beside the price
    never: str  # what is never asked of a customer
    receipt: str  # keep …
    number_shown: str  # please tell us …
    code: str  # its QR code
    seen: str  # a payment that is not proven yet
    closed: str  # the payment is …

    # Money going back.
    refunds: str  # in general
    back_to: str  # 75 USDT goes back to …
    goes_back: str  # if nobody does anything, the money …
    goes_to: str  # the owner's: 75 USDT goes back to …
    refund_sent: str
    refund_taken: str
    refund_accepted: str  # the owner's: a refund is under way
    refund_done: str  # 75 USDT has gone back to …
    refund_found: str  # where the customer finds it

    # The owner's.
    made: str  # the order is there
    by_word: str  # money seen …, not proven yet
    by_proof: str  # money seen …, for good
    awaits_proof: str
    at: str  # look it up …
    portal: str  # … more exactly
    account: str  # the ledger's account
    console: str  # money went back in …


@dataclass(frozen=True, slots=True)
class Pages:
    """One rail's passages of pages about the site. A pair is what stands out, and what follows it."""

    home_step: str
    home_notes: tuple[tuple[str, str], ...]
    needs: tuple[str, ...]
    steps: tuple[str, ...]
    safety: tuple[str, str]
    still_waits: str  # I paid, but the page still waits. …
    countdown_over: str  # The countdown ended while I was paying. …
    not_shown: tuple[str, str]
    terms: str
    terms_speed: str
    records: str  # which payment records are kept
    keeps: tuple[str, str]  # what of a customer is kept beside them, if anything
    told: tuple[str, str]  # what others are told


def _words_on_chain(rail: RailId, facts: Facts) -> Words:
    return Words(
        rail=CAPABILITIES[rail].name,
        asked=facts.name,
        how=f"in USDT on {facts.name}",
        source="from any wallet or exchange",
        speed=f"{minutes(facts)} once it is sent",
        fee="Your wallet or exchange charges the network’s fee.",
        never=f"Send only USDT, and only on {facts.name}: anything else that is sent to its address is lost.",
        receipt="the transaction’s hash",
        number_shown="the hash of its transaction",
        code=f"QR code of the address on {facts.name}",
        seen=(
            f"Your payment was seen on {facts.name}. Your call is confirmed as soon as nobody can take it back. Do not "
            "pay again."
        ),
        closed="closed",
        refunds="Refunds go back in USDT, from the owner’s wallet to an address that you name.",
        back_to="an address that you name",
        goes_back="goes back",
        goes_to="an address that the customer confirms; you send it from your wallet",
        refund_sent="The owner sends it from a wallet to an address that you name.",
        refund_taken=f"It was sent, and is in a block of {facts.name} that is not final yet.",
        refund_accepted=f"A refund was seen in a block of {facts.name} that is not final yet.",
        refund_done="the address that you confirmed",
        refund_found="You find it in the wallet that you named.",
        made=f"An address on {facts.name} was given out.",
        by_word="in a block that is not final yet",
        by_proof="in final blocks",
        awaits_proof=f"Its payment is in a block of {facts.name} that is not final yet.",
        at=f"on {facts.name}",
        portal="in a block explorer",
        account=f"At your addresses on {facts.name}",
        console="your wallet",
    )


def _pages_on_chain(rail: RailId, facts: Facts) -> Pages:
    return Pages(
        home_step=f"Send the amount on {facts.name} to the address that the page shows, from any wallet or exchange.",
        home_notes=(
            (
                "Only on the network you choose.",
                f"The address is for USDT on {facts.name} alone; your wallet or exchange charges the network’s fee.",
            ),
        ),
        needs=(
            f"The price of the call in USDT on {facts.name}, in a wallet or at an exchange that can send it.",
            "A little more for the network’s fee, which your wallet or exchange names before you send.",
        ),
        steps=(
            "Scan the QR code with your wallet, or copy the address and the amount.",
            "Send exactly the amount shown. An exchange that takes its fee out of it sends too little.",
        ),
        safety=(
            "The address is on this page only",
            "Every booking has an address of its own, which its page alone shows. Please do not send USDT to an "
            "address from a mail or a chat in our name.",
        ),
        still_waits=f"The page shows it once it is in a block of {facts.name}, and confirms it once that is final.",
        countdown_over="A payment that is in a block by then keeps its time until it is final.",
        not_shown=("The address does not appear.", "We keep trying, and your time stays held meanwhile."),
        terms=(
            f"In USDT on {facts.name}, from any wallet or exchange, to the address of your booking. The network’s fee "
            "is yours. USDT sent on another network, or another token, may be lost."
        ),
        terms_speed=f"Usually {minutes(facts)}. We confirm only once the network cannot take the payment back.",
        records="addresses, amounts, times and transactions, which everybody can read on the network",
        keeps=(
            "An address for refunds",
            "which you name where money goes back on chain. It is stored encrypted and erased with your name; the "
            "transaction that was sent to it stays public on the network.",
        ),
        told=(facts.name, "is a public record: address, amount and time of a payment stay on it for everybody."),
    )


def minutes(facts: Facts) -> str:
    """How long a payment usually takes until it is final: "1 to 2 minutes"."""
    first, last = facts.minutes
    return f"{first} to {last} minutes" if first < last else f"about {last} {'minute' if last == 1 else 'minutes'}"


ON_CHAIN_FACTS = {rail: able.network.facts for rail, able in CAPABILITIES.items() if able.network is not None}
WORDS: dict[RailId, Words] = {
    **{rail: _words_on_chain(rail, facts) for rail, facts in ON_CHAIN_FACTS.items()},
    RailId.BINANCE_PAY: Words(
        rail=_BINANCE.name,
        asked=_BINANCE.provider,
        how="with Binance Pay",
        source="from a Binance account",
        speed="seconds",
        fee="No fee.",
        never="There is no network to choose, and we never ask you to send USDT to an address.",
        receipt="the receipt in your Binance app",
        number_shown="the order number that the Binance app shows for it",
        code="QR code to pay with the Binance app",
        seen="Binance tells us of a payment. We are checking it with Binance. Do not pay again.",
        closed="closed at Binance",
        refunds="Refunds go back in USDT to the Binance account that paid.",
        back_to="the Binance account that paid",
        goes_back="goes back by itself",
        goes_to="the Binance account that paid",
        refund_sent="It is being sent to Binance.",
        refund_taken="Binance is returning it to the account that paid.",
        refund_accepted="Binance Pay took a refund.",
        refund_done="the Binance account that paid",
        refund_found="You find it in your Binance account.",
        made="Binance Pay has the order.",
        by_word="by a signed notice",
        by_proof="by our own question",
        awaits_proof=("A signed notice says that it is paid; Binance’s answer to our own question is still to come."),
        at="at Binance",
        portal="in the merchant portal",
        account="In the Binance account",
        console="Binance’s own console",
    ),
}
PAGES: dict[RailId, Pages] = {
    **{rail: _pages_on_chain(rail, facts) for rail, facts in ON_CHAIN_FACTS.items()},
    RailId.BINANCE_PAY: Pages(
        home_step="Scan the code with the Binance app, or open it on your phone.",
        home_notes=(
            ("You need a Binance account.", "Binance Pay moves USDT from your Binance account to ours."),
            (
                "No network to choose, no gas.",
                "Nothing travels over a blockchain, so there is no address to mistype.",
            ),
        ),
        needs=(
            "A Binance account of your own that may use Binance Pay. Binance checks its customers’ identity; whether "
            "it is open to you depends on where you live.",
            "The Binance app, or a browser in which you are logged in to Binance.",
            "The price of the call in USDT in that account.",
        ),
        steps=(
            "On a computer: open the Binance app on your phone and scan the QR code. On a phone: press “Open Binance "
            "app”. Or pay on Binance’s own page.",
            "Confirm the payment in the app. The amount is filled in already.",
        ),
        safety=(
            "No network, no gas, no address",
            "Binance Pay is a transfer between two Binance accounts. Nothing is sent over a blockchain, so there is no "
            "network to choose and no fee for one. Please do not send USDT to any address that somebody shows you in "
            "our name: we never ask for that.",
        ),
        still_waits=(
            "Press “I have paid – check again”. We ask Binance by ourselves too, also when its notice to us gets lost."
        ),
        countdown_over="We ask Binance before the time is given away.",
        not_shown=(
            "The QR code does not appear.",
            "Binance may be slow. We keep trying, and your time stays held meanwhile.",
        ),
        terms=(
            "In USDT, through Binance Pay, from a Binance account. Binance Pay is a transfer between two Binance "
            "accounts: there is no blockchain network to choose and no network fee. We pay Binance’s commission. "
            "Binance’s own terms apply between you and Binance."
        ),
        terms_speed=(
            "Usually seconds. We confirm only after asking Binance ourselves. If Binance cannot be reached when the "
            "countdown ends, your time stays held until it has answered."
        ),
        records=("order number, amount, times, transaction number, and Binance’s notices, which are stored encrypted"),
        keeps=("", ""),
        told=(
            "Binance Pay",
            "gets the order’s number, the amount and the title of the call from us, not your name or e-mail. What you "
            "do in your Binance account is between you and Binance.",
        ),
    ),
}


def of(rail: RailId) -> Words:
    return WORDS[rail]


def asked(on: Sequence[RailId]) -> str:
    """Who is asked about payments of several bookings: "Ask … again"."""
    return of(on[0]).asked if len(on) == 1 else "each payment’s provider"


def silent(on: Sequence[RailId]) -> str:
    """Why nothing can be paid: "Payments are paused, because …"."""
    return f"{of(on[0]).rail} does not answer us" if len(on) == 1 else "no way to pay answers us"


def refusing(on: Sequence[RailId]) -> str:
    return f"{of(on[0]).rail} does not take our calls" if len(on) == 1 else "no way to pay takes our calls"


def pages_of(rail: RailId) -> Pages:
    return PAGES[rail]


@cache
def by_name(words: Words) -> Mapping[str, str]:
    """The phrases as the texts of `customer` name them."""
    return asdict(words)
