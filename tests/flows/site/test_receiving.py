"""Where money goes, as the owner sets it: checked first, told to every owner, in force a day later."""

from datetime import timedelta

import pytest

from inspired.adapters.crypto.chain_addresses import shown
from inspired.adapters.mongo.receiving import NODES, SOURCES, WALLETS, NodeAddress
from inspired.domain.accounts.people import Role
from inspired.domain.shared.errors import Conflict, Invalid
from inspired.domain.shared.networks import Kind, Network
from inspired.flows.accounts import authentication
from inspired.flows.site import receiving
from inspired.services import Services
from tests.adapters.crypto.test_account_keys import ADDRESSES_EVM, ADDRESSES_TRON, XPUB_EVM, XPUB_TRON
from tests.conftest import Mailbox
from tests.flows.steps import confirmed
from tests.harness import Servers, free_port

DAY = timedelta(hours=24)
WALLET, OTHER = (shown(Network.BEP20, "0x" + letter * 40) for letter in "ab")
ON_TRON = shown(Network.TRC20, "0x" + "c" * 40)


def node(sandbox: Servers, network: Network) -> NodeAddress:
    return NodeAddress(f"{sandbox.sandbox}/chains/{network}/jsonrpc")


@pytest.fixture
def sold(svc: Services, sandbox: Servers) -> None:
    confirmed(svc, sandbox)


# --- when it counts -------------------------------------------------------------------------------------------------


def test_before_the_first_sale_a_source_counts_at_once_and_the_network_is_on_once_it_was_compared(
    svc: Services, sandbox: Servers
):
    receiving.set_source(svc, "ann", Kind.TRON, XPUB_TRON)
    receiving.set_nodes(svc, "ann", Network.TRC20, (node(sandbox, Network.TRC20),))
    before = receiving.standing(svc, Network.TRC20)

    receiving.switch_on(svc, "ann", Network.TRC20, before.source.id if before.source else "")

    after = receiving.standing(svc, Network.TRC20)
    assert (before.state, after.state) == ("checked", "on")
    assert after.source is not None
    assert receiving.first_addresses(after.source, Network.TRC20) == ADDRESSES_TRON[:5]
    assert receiving.standing(svc, Network.ERC20).state == "not set up"


@pytest.mark.usefixtures("sold")
def test_after_the_first_sale_a_change_waits_for_a_day_and_is_shown_meanwhile(svc: Services, sandbox: Servers):
    now = svc.now()
    receiving.set_source(svc, "ann", Kind.TRON, XPUB_TRON)
    receiving.set_nodes(svc, "ann", Network.TRC20, (node(sandbox, Network.TRC20),))

    standing = receiving.standing(svc, Network.TRC20)

    assert (standing.source, standing.nodes, standing.state) == (None, (), "not set up")
    assert standing.waiting_source is not None
    waiting = receiving.waiting(svc)
    assert [place for place, _ in waiting] == [SOURCES[Kind.TRON], NODES[Network.TRC20]]
    assert all(now + DAY <= entry.in_force_at <= svc.now() + DAY for _, entry in waiting)


@pytest.mark.usefixtures("sold")
def test_a_waiting_change_can_be_withdrawn_by_any_owner(svc: Services):
    entry = receiving.set_source(svc, "ann", Kind.TRON, XPUB_TRON)

    receiving.withdraw(svc, "ben", SOURCES[Kind.TRON], entry.id)

    assert receiving.waiting(svc) == []
    assert [(one.who, one.what) for one in svc.audit.newest(2)] == [
        ("ben", "receiving_withdrawn"),
        ("ann", "receiving_source_set"),
    ]


def test_what_is_switched_on_is_what_was_compared(svc: Services):
    shown = receiving.set_source(svc, "ann", Kind.TRON, XPUB_TRON)
    receiving.set_source(svc, "ben", Kind.TRON, ADDRESSES_TRON[4])

    with pytest.raises(Conflict, match="compare them again"):
        receiving.switch_on(svc, "ann", Network.TRC20, shown.id)


# --- wallets refunds are sent from ------------------------------------------------------------------------------------


def test_wallets_are_one_in_a_line_each_once_and_as_wallets_show_them(svc: Services):
    receiving.set_wallets(svc, "ann", Kind.EVM, f" {WALLET}\n\n{OTHER}\r\n{WALLET}")
    receiving.set_wallets(svc, "ann", Kind.TRON, ON_TRON)

    assert receiving.wallets_shown(svc, Kind.EVM) == (WALLET, OTHER)
    assert receiving.wallets_shown(svc, Kind.TRON) == (ON_TRON,)
    receiving.set_wallets(svc, "ann", Kind.EVM, " \n ")
    assert receiving.wallets_shown(svc, Kind.EVM) == ()


@pytest.mark.parametrize("line", ["witch collapse practice feed", "f" * 64, ON_TRON])
def test_a_line_that_is_no_wallet_is_refused_without_being_repeated(svc: Services, line: str):
    receiving.set_wallets(svc, "ann", Kind.EVM, OTHER)

    with pytest.raises(Invalid, match="Line 2: ") as refused:
        receiving.set_wallets(svc, "ann", Kind.EVM, f"{WALLET}\n{line}")

    assert line not in f"{refused.value} {refused.value.fields}"
    assert receiving.wallets_shown(svc, Kind.EVM) == (OTHER,)


def test_more_wallets_than_anybody_needs_are_refused(svc: Services):
    many = "\n".join(shown(Network.BEP20, f"0x{number:040x}") for number in range(1, receiving.MOST_WALLETS + 2))

    with pytest.raises(Invalid, match="At most 20"):
        receiving.set_wallets(svc, "ann", Kind.EVM, many)


@pytest.mark.usefixtures("sold")
def test_after_the_first_sale_wallets_count_a_day_later_and_every_owner_is_told(svc: Services, mailbox: Mailbox):
    authentication.invite(svc, "second@example.com", Role.OWNER)
    mailbox.messages.clear()

    entry = receiving.set_wallets(svc, "ann", Kind.TRON, ON_TRON)
    receiving.tell_owed(svc)

    now = svc.now()
    assert (svc.receiving.wallets(Kind.TRON, now), receiving.waiting(svc)) == ((), [(WALLETS[Kind.TRON], entry)])
    assert svc.receiving.wallets(Kind.TRON, now + DAY) == ("0x" + "c" * 40,)
    assert sorted(message["To"] for message in mailbox.messages) == ["owner@example.com", "second@example.com"]
    assert all("the refund wallets on TRON were changed" in message["Subject"] for message in mailbox.messages)
    text = " ".join(mailbox.messages[0].get_body(("plain",)).get_content().split())
    assert "has set other wallets that refunds are sent from for TRON. They count from" in text


@pytest.mark.usefixtures("sold")
def test_wallets_that_wait_can_be_withdrawn(svc: Services):
    entry = receiving.set_wallets(svc, "ann", Kind.TRON, ON_TRON)

    receiving.withdraw(svc, "ben", WALLETS[Kind.TRON], entry.id)

    assert svc.receiving.wallets(Kind.TRON, svc.now() + DAY) == ()
    assert [(one.who, one.what) for one in svc.audit.newest(2)] == [
        ("ben", "receiving_withdrawn"),
        ("ann", "refund_wallets_named"),
    ]


# --- told -------------------------------------------------------------------------------------------------------------


def test_every_owner_is_told_whoever_is_told_of_alerts(svc: Services, mailbox: Mailbox):
    authentication.invite(svc, "second@example.com", Role.OWNER)
    authentication.invite(svc, "helper@example.com", Role.HELPER)
    receiving.set_source(svc, "ann", Kind.TRON, XPUB_TRON)

    receiving.tell_owed(svc)
    receiving.tell_owed(svc)

    told = sorted(message["To"] for message in mailbox.messages)
    assert told == ["owner@example.com", "second@example.com"]
    assert all("where money on TRON goes was changed" in message["Subject"] for message in mailbox.messages)
    assert XPUB_TRON not in mailbox.messages[0].as_string()


@pytest.mark.usefixtures("sold")
def test_the_mail_says_from_when_on_it_counts(svc: Services, mailbox: Mailbox):
    mailbox.messages.clear()
    receiving.set_source(svc, "ann", Kind.EVM, XPUB_EVM)

    receiving.tell_owed(svc)

    assert "They count from" in mailbox.messages[0].get_body(("plain",)).get_content()


def test_what_the_sandbox_command_sets_is_told_to_nobody_and_said_twice_changes_nothing(
    svc: Services, sandbox: Servers, mailbox: Mailbox
):
    for _ in range(2):
        receiving.receive_at_once(svc, Kind.TRON, XPUB_TRON, {Network.TRC20: node(sandbox, Network.TRC20)})

    receiving.tell_owed(svc)

    assert mailbox.messages == []
    assert receiving.standing(svc, Network.TRC20).state == "on"
    assert svc.receiving.register(SOURCES[Kind.TRON]).version == 1


# --- lists ------------------------------------------------------------------------------------------------------------


def test_an_address_that_was_given_out_is_refused_in_a_new_list(svc: Services):
    svc.payment_addresses.give(
        "t" * 27,
        Network.TRC20,
        lambda _: receiving.address_sources.read(Kind.TRON, ADDRESSES_TRON[1]).address(0),
        source="before",
        longest_gap=None,
        from_blocks={},
        wanted="1",
        enough="1",
        now=svc.now(),
    )

    with pytest.raises(Invalid, match=r"Address 2 of your list was given out"):
        receiving.set_source(svc, "ann", Kind.TRON, "\n".join(ADDRESSES_TRON[:3]))

    assert receiving.standing(svc, Network.TRC20).source is None


def test_where_a_contract_lives_on_either_evm_network_an_address_is_refused(
    svc: Services, sandbox: Servers, monkeypatch: pytest.MonkeyPatch
):
    receiving.set_nodes(svc, "ann", Network.ERC20, (node(sandbox, Network.ERC20),))
    receiving.set_nodes(svc, "ann", Network.BEP20, (node(sandbox, Network.BEP20),))
    theirs = Network.BEP20.facts.usdt
    monkeypatch.setattr(receiving.chain_addresses, "CONTRACTS", frozenset())  # so that the nodes have to say it

    with pytest.raises(Invalid, match="A contract lives at address 2"):
        receiving.set_source(svc, "ann", Kind.EVM, f"{ADDRESSES_EVM[0]}\n{theirs}")

    assert receiving.set_source(svc, "ann", Kind.EVM, "\n".join(ADDRESSES_EVM)).unasked == 0


def test_addresses_that_no_node_could_be_asked_about_are_counted(svc: Services, sandbox: Servers):
    without_a_node = receiving.set_source(svc, "ann", Kind.EVM, "\n".join(ADDRESSES_EVM[:3]))
    receiving.set_nodes(svc, "ann", Network.ERC20, (node(sandbox, Network.ERC20),))
    sandbox.control("chains/ERC20/faults", {"fault": "refuse", "times": 100})

    without_an_answer = receiving.set_source(svc, "ann", Kind.EVM, "\n".join(ADDRESSES_EVM[3:5]))

    assert (without_a_node.unasked, without_an_answer.unasked) == (3, 2)


# --- nodes ------------------------------------------------------------------------------------------------------------


def test_a_node_of_another_chain_is_refused(svc: Services, sandbox: Servers):
    with pytest.raises(Invalid, match="Node 1 cannot be used: it belongs to chain 1, not to 56"):
        receiving.set_nodes(svc, "ann", Network.BEP20, (node(sandbox, Network.ERC20),))

    assert svc.receiving.nodes(Network.BEP20, svc.now()) == ()


def test_a_node_that_does_not_answer_is_refused_and_its_address_is_not_repeated(svc: Services):
    with pytest.raises(Invalid, match="cannot be used") as caught:
        receiving.set_nodes(svc, "ann", Network.ERC20, (NodeAddress(f"http://127.0.0.1:{free_port()}/a-secret-key"),))

    assert "a-secret-key" not in str(caught.value)


@pytest.mark.parametrize("host", ["eth.example.com", "10.0.0.1", "127.0.0.1.example.com"])
def test_a_sandbox_asks_no_real_network(svc: Services, host: str):
    with pytest.raises(Invalid, match="This site is a sandbox"):
        receiving.set_nodes(svc, "ann", Network.ERC20, (NodeAddress(f"https://{host}/"),))

    assert svc.receiving.nodes(Network.ERC20, svc.now()) == ()


def test_two_nodes_of_one_host_are_one(svc: Services, sandbox: Servers):
    one = node(sandbox, Network.ERC20)

    with pytest.raises(Invalid, match="same host"):
        receiving.set_nodes(svc, "ann", Network.ERC20, (one, NodeAddress(one.url + "?x=1")))
