"""Run in an environment of its own: the published `pycalendly`, unchanged, against the address given.

Its base is a constant, so the address is changed below it, where requests sends. Reads one JSON list of steps from
standard input, each `[method, arguments]`, and prints the list of answers.
"""

import json
import sys

import requests
from calendly import CalendlyAPI, CalendlyException  # type: ignore[import-not-found]  # not installed here
from requests.adapters import HTTPAdapter

there, token = sys.argv[1:3]
REAL = "https://api.calendly.com"


class Redirected(HTTPAdapter):
    def send(self, request, *args, **kwargs):  # type: ignore[no-untyped-def]
        request.url = request.url.replace(REAL, there, 1)
        return super().send(request, *args, **kwargs)


class Session(requests.Session):
    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.mount(REAL, Redirected())


requests.sessions.Session = Session  # type: ignore[misc]
client = CalendlyAPI(token)
answers = []
for method, arguments in json.load(sys.stdin):
    try:
        answers.append(getattr(client, method)(**arguments))
    except CalendlyException as error:
        answers.append({"refused": str(error)})
json.dump(answers, sys.stdout)
