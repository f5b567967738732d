"""Tables as files for a spreadsheet. A cell that a spreadsheet would take for a formula is made plain text."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence

NUMBER = re.compile(r"-?\d+(\.\d+)?")
FORMULA = "=+-@\t\r\n"  # https://owasp.org/www-community/attacks/CSV_Injection
MARK = "\ufeff"  # without it Excel takes UTF-8 for something else


def csv_of(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([plain(cell) for cell in row] for row in rows)
    return (MARK + text.getvalue()).encode()


def plain(cell: str) -> str:
    """With an apostrophe before what a spreadsheet could take for a formula, full-width signs included; a number is
    none."""
    first = unicodedata.normalize("NFKC", cell.lstrip(" "))[:1]
    return f"'{cell}" if first and first in FORMULA and not NUMBER.fullmatch(cell) else cell
