"""The words that differ between payment rails. Every other sentence is the same for all of them, and takes these."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from typing import Any

from inspired.domain.booking.rails import CAPABILITIES, ON_CHAIN, RailId
from inspired.domain.shared.languages import Language, counted, current, translated
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


_WORDS_ON_CHAIN = Words(
    rail="USDT on {network}",
    asked="{network}",
    how="in USDT on {network}",
    source="from any wallet or exchange",
    speed="{minutes} once it is sent",
    fee="Your wallet or exchange charges the network’s fee.",
    never="Send only USDT, and only on {network}: anything else that is sent to its address is lost.",
    receipt="the transaction’s hash",
    number_shown="the hash of its transaction",
    code="QR code of the address on {network}",
    seen=(
        "Your payment was seen on {network}. Your call is confirmed as soon as nobody can take it back. Do not "
        "pay again."
    ),
    closed="closed",
    refunds="Refunds go back in USDT, from the owner’s wallet to an address that you name.",
    back_to="an address that you name",
    goes_back="goes back",
    goes_to="an address that the customer confirms; you send it from your wallet",
    refund_sent="The owner sends it from a wallet to an address that you name.",
    refund_taken="It was sent, and is in a block of {network} that is not final yet.",
    refund_accepted="A refund was seen in a block of {network} that is not final yet.",
    refund_done="the address that you confirmed",
    refund_found="You find it in the wallet that you named.",
    made="An address on {network} was given out.",
    by_word="in a block that is not final yet",
    by_proof="in final blocks",
    awaits_proof="Its payment is in a block of {network} that is not final yet.",
    at="on {network}",
    portal="in a block explorer",
    account="At your addresses on {network}",
    console="your wallet",
)


_PAGES_ON_CHAIN = Pages(
    home_step="Send the amount to the address that the page shows, from any wallet or exchange.",
    home_notes=(
        (
            "Only on the network you choose.",
            "The address is for USDT on that network alone; your wallet or exchange charges the network’s fee.",
        ),
    ),
    needs=(
        "The price of the call in USDT on {network}, in a wallet or at an exchange that can send it.",
        "A little more for the network’s fee, which your wallet or exchange names before you send.",
    ),
    steps=(
        "Scan the QR code with your wallet, or copy the address and the amount.",
        "Send exactly the amount shown. An exchange that takes its fee out of it sends too little.",
    ),
    safety=(
        "Only your booking’s page shows the address",
        "Every booking has an address of its own, which its page alone shows. Please do not send USDT to an "
        "address from a mail or a chat in our name.",
    ),
    still_waits="The page shows it once it is in a block of {network}, and confirms it once that is final.",
    countdown_over="A payment that is in a block by then keeps its time until it is final.",
    not_shown=("The address does not appear.", "We keep trying, and your time stays held meanwhile."),
    terms=(
        "In USDT on {network}, from any wallet or exchange, to the address of your booking. The network’s fee "
        "is yours. USDT sent on another network, or another token, may be lost."
    ),
    terms_speed="Usually {minutes}. We confirm only once the network cannot take the payment back.",
    records="addresses, amounts, times and transactions, which everybody can read on the network",
    keeps=(
        "An address for refunds",
        "which you name where money goes back on chain. It is stored encrypted and erased with your name; the "
        "transaction that was sent to it stays public on the network.",
    ),
    told=("{network}", "is a public record: address, amount and time of a payment stay on it for everybody."),
)


def minutes(facts: Facts) -> str:
    """How long a payment usually takes until it is final: "1 to 2 minutes"."""
    first, last = facts.minutes
    if first < last:
        return translated("{first} to {last} minutes", first=first, last=last)
    return counted("about {number} minute", "about {number} minutes", last)


WORDS: dict[RailId, Words] = {
    **dict.fromkeys(ON_CHAIN, _WORDS_ON_CHAIN),
    RailId.BINANCE_PAY: Words(
        rail=_BINANCE.name,
        asked=_BINANCE.provider,
        how="with Binance Pay",
        source="from a Binance account",
        speed="seconds",
        fee="No fee.",
        never="With Binance Pay there is no network to choose and no address to send USDT to.",
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
    **dict.fromkeys(ON_CHAIN, _PAGES_ON_CHAIN),
    RailId.BINANCE_PAY: Pages(
        home_step="Scan the code with the Binance app, or open it on your phone.",
        home_notes=(
            (
                "For Binance Pay you need a Binance account.",
                "It moves USDT from your account to ours: there is no network to choose, no gas and no address to "
                "mistype.",
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
            "network to choose and no fee for one. Please do not send USDT to an address that somebody shows you in "
            "our name: if there is one to pay to, your booking’s page alone shows it.",
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
    """In the reader's language."""
    return _words_in(current(), rail, WORDS[rail])


def pages_of(rail: RailId) -> Pages:
    """In the reader's language."""
    return _pages_in(current(), rail, PAGES[rail])


@lru_cache(maxsize=64)
def _words_in(language: Language, rail: RailId, words: Words) -> Words:
    return Words(**_in(language, rail, asdict(words)))


@lru_cache(maxsize=64)
def _pages_in(language: Language, rail: RailId, pages: Pages) -> Pages:
    return Pages(**_in(language, rail, asdict(pages)))


def _in(language: Language, rail: RailId, texts: Mapping[str, Any]) -> dict[str, Any]:
    facts = facts_of(rail)

    def one(text: Any) -> Any:
        if isinstance(text, tuple):
            return tuple(map(one, text))
        return language.text(text).format(**facts) if text else text

    return {name: one(text) for name, text in texts.items()}


def facts_of(rail: RailId) -> dict[str, str]:
    """What the texts of a rail take: nothing, or its network's name and usual time."""
    network = CAPABILITIES[rail].network
    return {} if network is None else {"network": network.facts.name, "minutes": minutes(network.facts)}


def asked(on: Sequence[RailId]) -> str:
    """Who is asked about payments of several bookings: "Ask … again"."""
    return of(on[0]).asked if len(on) == 1 else translated("each payment’s provider")


def silent(on: Sequence[RailId]) -> str:
    """Why nothing can be paid: "Payments are paused, because …"."""
    if len(on) != 1:
        return translated("no way to pay answers us")
    return translated("{rail} does not answer us", rail=of(on[0]).rail)


def refusing(on: Sequence[RailId]) -> str:
    if len(on) != 1:
        return translated("no way to pay takes our calls")
    return translated("{rail} does not take our calls", rail=of(on[0]).rail)


@cache
def by_name(words: Words) -> Mapping[str, str]:
    """The phrases as the texts of `customer` name them."""
    return asdict(words)
