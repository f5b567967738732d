"""The code's version: the package's number plus a hash of all its files, so that every change is noticed."""

import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
NAME = "inspired-analyst"


@cache
def version() -> str:
    """For example "0.1.0+4f1c09ab77d2". The same in every process that runs the same files."""
    try:
        number = metadata.version(NAME)
    except metadata.PackageNotFoundError:
        number = "0"
    return f"{number}+{content_hash(ROOT)}"


def content_hash(root: Path) -> str:
    """Over the names and contents of the program and its templates."""
    digest = hashlib.sha256()
    files = [*(root / "inspired").rglob("*.py"), *(path for path in (root / "templates").rglob("*") if path.is_file())]
    for path in sorted(files):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:12]
