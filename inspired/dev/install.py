"""Brings `.venv` in line with the lock files: `python inspired/dev/install.py run|test|mutants`, called by make.

Runs in whatever Python was found, before anything is installed, so it imports the standard library alone.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed.json"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def main() -> int:
    purpose = sys.argv[1]
    if purpose == "run" and not _has_embedded_servers() and not _has_own_servers():
        print(
            "The embedded database servers are not available on this platform (they are on Linux with glibc and on "
            "Apple silicon): set MONGODB_URI and REDIS_URL to servers of your own.",
            file=sys.stderr,
        )
        return 1
    to_run = "embedded.txt" if _has_embedded_servers() else "dev.txt"
    lock = {"test": "test.txt", "mutants": "mutants.txt", "run": to_run}[purpose]
    try:
        _make_environment()
        _install(ROOT / "requirements" / lock)
        if purpose == "test":
            _get_browser()
    except subprocess.CalledProcessError as problem:
        print(f"Failed: {' '.join(map(str, problem.cmd))}", file=sys.stderr)
        return 1
    return 0


def _has_own_servers() -> bool:
    return bool(os.environ.get("MONGODB_URI") and os.environ.get("REDIS_URL"))


def _has_embedded_servers() -> bool:
    machine = platform.machine().lower()
    if sys.platform == "darwin":
        return machine == "arm64"
    name, version = platform.libc_ver()
    recent = name == "glibc" and tuple(map(int, version.split(".")[:2])) >= (2, 28)
    return sys.platform == "linux" and recent and machine in ("x86_64", "aarch64")


def _make_environment() -> None:
    if PYTHON.exists() and _works(PYTHON):
        return
    print(f"Creating .venv with Python {platform.python_version()}", flush=True)
    _run(sys.executable, "-m", "venv", "--clear", str(VENV))


def _works(python: Path) -> bool:
    check = "import pip, sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))"
    return subprocess.run([python, "-c", check], check=False, stderr=subprocess.DEVNULL).returncode == 0


def _install(lock: Path) -> None:
    """Only when something changed; the lock for the tests holds everything the one for running does."""
    done: dict[str, str] = json.loads(STAMP.read_text()) if STAMP.exists() else {}
    wanted = _fingerprint(lock)
    if wanted in (done.get(lock.name), done.get(f"{lock.name} by test.txt")):
        return
    print(f"Installing {lock.relative_to(ROOT)}", flush=True)
    # A lock file names everything, so nothing is resolved again: an older pip, told `coverage==7.17.3` and asked
    # for `coverage[toml]`, takes the newest release instead and refuses it for having no hash.
    _pip("install", "--no-deps", "--require-hashes", "--requirement", str(lock))
    # Editable, so that the command `inspired` runs this very checkout; its tools come from the lock.
    _pip("install", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    _pip("check")
    done[lock.name] = wanted
    if lock.name == "test.txt":
        done["embedded.txt by test.txt"] = _fingerprint(lock.with_name("embedded.txt"))
    STAMP.write_text(json.dumps(done, indent=2))


def _fingerprint(lock: Path) -> str:
    content = lock.read_bytes() + (ROOT / "pyproject.toml").read_bytes() + str(ROOT).encode()
    return hashlib.sha256(content).hexdigest()


def _get_browser() -> None:
    """Chromium for the tests: the system's, else Debian's package, else Playwright's own."""
    if any(map(shutil.which, BROWSERS)) or _playwright_has_one():
        return
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    if root and _is_debian():
        print("Installing Chromium (Debian's package)", flush=True)
        _run("apt-get", "update", "-qq")
        _run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium", "fonts-dejavu-core")
        return
    print("Installing Chromium (Playwright's)", flush=True)
    _run(str(PYTHON), "-m", "playwright", "install", *(["--with-deps"] if root else []), "chromium")


def _playwright_has_one() -> bool:
    code = (
        "import os; from playwright.sync_api import sync_playwright as start\n"
        "with start() as p: raise SystemExit(not os.path.exists(p.chromium.executable_path))"
    )
    return subprocess.run([PYTHON, "-c", code], check=False, stderr=subprocess.DEVNULL).returncode == 0


def _is_debian() -> bool:
    # Not its descendants: on Ubuntu the package of that name is a snap, which a container cannot run.
    release = Path("/etc/os-release")
    return release.exists() and "\nID=debian\n" in f"\n{release.read_text()}\n" and bool(shutil.which("apt-get"))


def _pip(*arguments: str) -> None:
    _run(str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
