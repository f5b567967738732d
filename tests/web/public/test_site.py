import gzip
import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from inspired.flows.booking.booking import TERMS_VERSION
from tests.web.pages import words

STATIC = Path(__file__).resolve().parents[3] / "static"
PAGES = ["/", "/terms", "/privacy", "/how-to-pay", "/book/deep-dive", "/admin/login"]


def test_home_offers_the_four_calls_with_length_price_and_a_link_to_each(client: FlaskClient):
    page = client.get("/").text

    assert re.findall(r'href="(/book/[a-z-]+)"', page) == [
        "/book/quick-question",
        "/book/portfolio-review",
        "/book/deep-dive",
        "/book/mentoring",
    ]
    text = words(page)
    for said in ("30 minutes Quick question", "45 minutes Portfolio review", "90 minutes Deep dive", "$150", "75 USDT"):
        assert said in text


def test_home_says_what_binance_pay_is_before_anybody_books(client: FlaskClient):
    text = words(client.get("/").text)

    assert "For Binance Pay you need a Binance account." in text
    assert "no network to choose, no gas and no address to mistype" in text
    assert (
        "Refunds go back in USDT to the Binance account that paid. Usually this takes minutes, at most a day." in text
    )


def test_the_sandbox_says_so_on_every_page(client: FlaskClient):
    for page in [*PAGES, "/nowhere"]:
        assert "Sandbox: no real money." in client.get(page).text, page


def test_terms_carry_the_version_that_bookings_store(client: FlaskClient):
    text = words(client.get("/terms").text)

    assert f"Version {TERMS_VERSION}." in text
    assert "TRC" not in text


def test_privacy_names_calendly_only_where_it_is_used(client: FlaskClient):
    assert "Calendly" not in client.get("/privacy").text


@pytest.mark.parametrize("page", PAGES)
def test_pages_have_nothing_inline_and_nothing_from_elsewhere(client: FlaskClient, page: str):
    text = client.get(page).text

    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|hx-on|javascript:", text)
    assert re.findall(r"<script(?![^>]*\ssrc=)", text) == []
    assert all(source.startswith("/static/") for source in re.findall(r'(?:src|<link[^>]*href)="([^"]+)"', text))


@pytest.mark.parametrize("page", PAGES)
def test_pages_name_their_language_title_main_part_and_way_to_it(client: FlaskClient, page: str):
    text = client.get(page).text

    assert '<html lang="en" dir="ltr">' in text
    assert re.search(r"<title>[^<]+ – Inspired Analyst</title>", text)
    assert len(re.findall(r"<h1[ >]", text)) == 1
    assert 'href="#main"' in text
    assert 'id="main"' in text


def test_an_unknown_page_is_a_page_with_a_way_home(client: FlaskClient):
    answer = client.get("/nowhere")

    assert answer.status_code == 404
    assert 'href="/"' in answer.text


@pytest.mark.parametrize("name", ["app.css", "app.js", "vendor/htmx.min.js"])
def test_compressed_files_are_those_of_today(name: str):
    """If this fails: python -m whitenoise.compress --no-brotli static"""
    assert gzip.decompress((STATIC / f"{name}.gz").read_bytes()) == (STATIC / name).read_bytes()


@pytest.mark.parametrize("page", ["/", "/book/portfolio-review"])
def test_a_page_with_all_its_files_stays_under_60_kb(client: FlaskClient, page: str):
    text = client.get(page).text

    files = {name.partition("?")[0] for name in re.findall(r'"/static/([^"]+)"', text)}
    zipped = {name: (STATIC / f"{name}.gz") for name in files}
    sizes = [(path if path.exists() else STATIC / name).stat().st_size for name, path in zipped.items()]
    assert len(files) == 4
    assert len(text.encode()) + sum(sizes) < 60_000
