"""Tables as CSV files for spreadsheets. Cells that could be taken for a formula become plain text."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import takewhile

NUMBER = re.compile(r"-?\d+(\.\d+)?")
FORMULA = "=+-@\t\r\n"  # https://owasp.org/www-community/attacks/CSV_Injection
FILLERS = "\u115f\u1160\u2800\u3164\uffa0"  # invisible, though letters or symbols by category
MARK = "\ufeff"  # without it Excel does not recognise UTF-8


def csv_of(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([plain(cell) for cell in row] for row in rows)
    return (MARK + text.getvalue()).encode()


def plain(cell: str) -> str:
    """Puts an apostrophe before anything a spreadsheet could take for a formula, also with full-width signs or leading
    invisible characters. A number is no formula."""
    if NUMBER.fullmatch(cell):
        return cell
    unseen = "".join(takewhile(_is_unseen, cell))
    first = unicodedata.normalize("NFKC", cell[len(unseen) :])[:1]
    is_risky = any(letter in FORMULA for letter in (*unseen, first) if letter)
    return f"'{cell}" if is_risky else cell


def _is_unseen(letter: str) -> bool:
    """Blanks, control characters, combining marks, and letters without a shape (zero width, fillers)."""
    return unicodedata.category(letter)[0] in "CZM" or letter in FILLERS
