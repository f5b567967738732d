"""The owner's numbers: what the page shows is what happened."""

from flask.testing import FlaskClient

from inspired.flows import counting
from inspired.services import Services
from tests.flows.steps import confirmed, live
from tests.harness import Servers
from tests.web.pages import words
from tests.web.test_admin_pages import log_in


def counted(svc: Services) -> None:
    counting.start(svc)
    while counting.turn_page(svc):
        pass


def test_the_page_tells_the_way_from_the_page_to_the_confirmed_call(
    client: FlaskClient, svc: Services, sandbox: Servers
):
    for _ in range(3):
        client.get("/book/portfolio-review")
    client.get("/book/portfolio-review", headers={"HX-Request": "true"})
    svc.visits.carry_over()
    confirmed(svc, sandbox)
    live(svc, call=3, email="bob@example.com")
    counted(svc)
    log_in(client)

    shown = words(client.get("/admin/numbers").text)

    assert "Page of a call opened 3" in shown
    assert "Time held 2 67 %" in shown
    assert "QR code shown 2 100 %" in shown
    assert "Paid 1 50 %" in shown
    assert "Confirmed 1 100 %" in shown
    assert "Revenue 75 USDT" in shown
    assert "Found by asking 100 %" in shown
    assert "Too little data" in shown
