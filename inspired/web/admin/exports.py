"""Exports the list of bookings as CSV, JSON or XLSX, written row by row while it is sent.

No cell can be taken for a formula (https://owasp.org/www-community/attacks/CSV_Injection): CSV puts an apostrophe
before risky text, XLSX marks every text as text. The XLSX is the smallest workbook of ECMA-376; libraries would need
the whole file in memory before the first byte can be sent.

An interrupted list never looks complete. The server ends its answer normally, so the file itself says so: CSV in its
last line, XLSX there and in the sheet's name; JSON becomes invalid, so that no program accepts it.
"""

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from xml.sax.saxutils import escape

import structlog

from inspired.domain.booking.balance import kept_of, received_of
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.rails import CAPABILITIES, method_of
from inspired.domain.booking.refunds import returned_in_all
from inspired.domain.booking.status import iso
from inspired.domain.shared.errors import Busy
from inspired.web.admin.sheets import plain

Row = Mapping[str, str]
AMOUNTS = ("price", "received", "returned", "kept")
COLUMNS = (
    *("booking", "made", "call", "minutes", "type", "state", "flags", "name", "email", *AMOUNTS),
    *("currency", "paid", "confirmed", "order", "transaction", "method", "network", "address"),
)
EXACT_DIGITS = 15  # precision of a spreadsheet's numbers
BROKEN_OFF = "NOT COMPLETE: the list broke off here, and more bookings may belong to it. Please export it again."
log = structlog.get_logger()


class Whole:
    """Iterates the rows. Afterwards `is_whole` tells whether they were complete."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = rows
        self.is_whole = False

    def __iter__(self) -> Iterator[Row]:
        try:
            yield from self._rows
        except Busy as error:
            log.warning("export_broke_off", error=str(error))
        except Exception:
            log.exception("export_broke_off")
        else:
            self.is_whole = True


def row_of(booking: Booking, person: Mapping[str, str]) -> Row:
    """Times in UTC, amounts in `currency`."""
    paid = next((order for order in booking.orders if order.has_money), None)
    found = {
        "booking": booking.id,
        "made": iso(booking.created_at),
        "call": iso(booking.slot.span.start) if booking.slot else "",
        "minutes": str(booking.meeting_type.minutes),
        "type": booking.meeting_type.title,
        "state": str(booking.state),
        "flags": " ".join(sorted(booking.flags)),
        "name": person["name"],
        "email": person["email"],
        "price": str(booking.price),
        "received": str(received_of(booking)),
        "returned": str(returned_in_all(booking)),
        "kept": str(kept_of(booking)),
        "currency": booking.price.currency,
        "paid": iso(booking.paid_at),
        "confirmed": iso(booking.confirmed_at),
        "order": booking.order.trade_no if booking.order else "",
        "transaction": paid.transaction_id if paid else "",
        "method": str(method_of(booking.paid_by)),
        "network": str(CAPABILITIES[booking.paid_by].network or ""),
        "address": booking.receiving_address,
    }
    return {name: found[name] or "" for name in COLUMNS}


def as_csv(rows: Iterable[Row]) -> Iterator[bytes]:
    """RFC 4180, in UTF-8 with a byte order mark, so that Excel recognises it."""
    yield b"\xef\xbb\xbf"
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    whole = Whole(rows)
    for row in whole:
        writer.writerow([plain(row[name]) for name in COLUMNS])
        yield _taken(text)
    if not whole.is_whole:
        writer.writerow([BROKEN_OFF, *[""] * (len(COLUMNS) - 1)])
    yield _taken(text)


def as_json(rows: Iterable[Row]) -> Iterator[bytes]:
    yield b'{"bookings": ['
    whole = Whole(rows)
    for number, row in enumerate(whole):
        yield (",\n" if number else "\n").encode() + json.dumps(row, ensure_ascii=False).encode()
    yield b"\n]}\n" if whole.is_whole else f"\n{BROKEN_OFF}\n".encode()


def as_xlsx(rows: Iterable[Row]) -> Iterator[bytes]:
    pipe, whole = _Pipe(), Whole(rows)
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as book:
        for name, text in PARTS.items():
            book.writestr(name, text)
        with book.open("xl/worksheets/sheet1.xml", "w") as sheet:
            sheet.write(f'{HEAD}<worksheet xmlns="{MAIN}"><sheetData>'.encode())
            sheet.write(_xml_row([_text(name) for name in COLUMNS]))
            for row in whole:
                sheet.write(_xml_row([_cell(name, row[name]) for name in COLUMNS]))
                yield pipe.taken()
            if not whole.is_whole:
                sheet.write(_xml_row([_text(BROKEN_OFF)]))
            sheet.write(b"</sheetData></worksheet>")
        book.writestr("xl/workbook.xml", WORKBOOK.format(sheet="Bookings" if whole.is_whole else "NOT COMPLETE"))
    yield pipe.taken()


KINDS: Mapping[str, tuple[str, Callable[[Iterable[Row]], Iterator[bytes]]]] = {
    "csv": ("text/csv", as_csv),
    "json": ("application/json", as_json),
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", as_xlsx),
}

HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATED = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_CONTENT = "application/vnd.openxmlformats-officedocument.spreadsheetml"
PARTS = {
    "[Content_Types].xml": f'{HEAD}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_CONTENT}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_CONTENT}.worksheet+xml"/></Types>',
    "_rels/.rels": f'{HEAD}<Relationships xmlns="{_RELATED}">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/_rels/workbook.xml.rels": f'{HEAD}<Relationships xmlns="{_RELATED}">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}
# Written last, when it is known how the sheet ended.
WORKBOOK = (
    f'{HEAD}<workbook xmlns="{MAIN}" xmlns:r="{_OFFICE}">'
    '<sheets><sheet name="{sheet}" sheetId="1" r:id="rId1"/></sheets></workbook>'
)


def _cell(name: str, value: str) -> str:
    is_number = name in (*AMOUNTS, "minutes") and 0 < len(value.replace(".", "").lstrip("-")) <= EXACT_DIGITS
    return f"<c><v>{value}</v></c>" if is_number else _text(value)


def _text(value: str) -> str:
    """Without characters XML cannot contain."""
    clean = "".join(letter for letter in value if letter >= " " and letter not in "\ufffe\uffff")
    return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(clean)}</t></is></c>'


def _xml_row(cells: list[str]) -> bytes:
    return f"<row>{''.join(cells)}</row>".encode()


def _taken(text: io.StringIO) -> bytes:
    taken = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return taken


class _Pipe(io.RawIOBase):
    """A write-only, unseekable file whose data is taken piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken
