"""Chromium, the one the tests use: the system's, else Playwright's own."""

import contextlib
import os
import shutil
from collections.abc import Iterator

from playwright.sync_api import Browser, Error, sync_playwright

from bench.findings import NotMeasured
from inspired.dev.install import BROWSERS


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=options)
        except Error as error:
            raise NotMeasured("Chromium does not start here") from error
        yield browser
        browser.close()
