"""What a first visit transfers, as Chromium counts it: headers and bodies as they came, with everything of ours."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Request

from bench.browser import chromium
from bench.findings import Findings, table
from bench.product import started
from bench.run import Run

ICONS = """() => Promise.all([...document.querySelectorAll('link[rel~=icon]')].map(
  (icon) => fetch(icon.href).then((answer) => answer.blob())))"""


@dataclass(frozen=True, slots=True)
class Got:
    url: str
    size: int
    encoding: str


def measure(run: Run) -> Findings:
    found, rows, strangers = Findings(), [], 0
    with started() as product, chromium() as browser:
        web, token = product.dev.web, product.book()[0]["bookingId"]
        wanted = {"page-home": "/", "page-book": "/book/quick-question", "page-pay": f"/booking/{token}"}
        for goal, path in wanted.items():
            parts = _visit(browser, web + path)
            found.add(goal, [sum(one.size for one in parts) / 1000], f"{len(parts)} requests")
            strangers += sum(urlsplit(one.url).netloc != urlsplit(web).netloc for one in parts)
            shown = [
                f"{urlsplit(one.url).path.rpartition('/')[2] or '/'} {one.size:,} ({one.encoding})" for one in parts[1:]
            ]
            rows.append([path.replace(token, "…"), f"{parts[0].size:,} ({parts[0].encoding})", ", ".join(shown)])
    found.add("third-party", [strangers])
    found.details = ["Bytes, cold cache (`Content-Encoding`).", "", *table(["page", "HTML", "beside it"], rows)]
    return found


def _visit(browser: Browser, address: str) -> list[Got]:
    """In a context of its own: nothing is in its cache. Icons are asked for, as Chromium without a window does not."""
    requests: list[Request] = []
    with browser.new_context() as context:
        page = context.new_page()
        page.on("requestfinished", lambda request: requests.append(request))
        page.goto(address, wait_until="networkidle" if "/booking/" not in address else "load")
        page.evaluate(ICONS)
        got = [_got(request) for request in requests if "/payment?" not in request.url]  # polls are no part of it
        return sorted((one for one in got if one.size), key=lambda one: one.url != address)


def _got(request: Request) -> Got:
    sizes, answer = request.sizes(), request.response()
    encoding = answer.header_value("content-encoding") if answer else None
    return Got(request.url, sizes["responseHeadersSize"] + sizes["responseBodySize"], encoding or "plain")
