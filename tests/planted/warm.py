"""A Python that has already imported what others wrote, and forks for every run: a new one would need a second for it.

Started as a script, so that nothing of the project is imported from here: each run takes it from its own copy. One line
of JSON asks for a run of pytest (`folder`, `env`, `arguments`, `output`), one line tells that it has ended.
"""

import importlib
import json
import os
import sys

OTHERS = (
    "aiosmtpd.controller", "argon2", "cryptography.hazmat.primitives.asymmetric.rsa", "cryptography.x509",
    "email_validator", "flask", "flask_limiter", "flask_wtf", "hypothesis", "icalendar", "pydantic",
    "pydantic_settings", "pymongo", "qrcode.image.svg", "redis",
    "requests", "rq", "spectree", "structlog.testing", "time_machine", "whitenoise",
)  # fmt: skip


def main() -> None:
    import pytest

    for name in OTHERS:
        importlib.import_module(name)
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            output = os.open(asked["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.chdir(asked["folder"])
            os.environ.clear()
            os.environ.update(asked["env"])
            sys.path[0] = asked["folder"]
            code = int(pytest.main(asked["arguments"]))
            sys.stdout.flush()
            os._exit(code)
        os.waitpid(pid, 0)
        print("ended", flush=True)


if __name__ == "__main__":
    main()
