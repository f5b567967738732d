"""Static files by WhiteNoise, plus two parts of HTTP that it lacks.

These are refused encodings (`gzip;q=0`), and weak or multiple ETags. Compressing proxies make every ETag weak.

https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3 · …#section-13.1.2
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from werkzeug.http import parse_accept_header, parse_etags
from whitenoise import WhiteNoise

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse


class Static(WhiteNoise):  # type: ignore[misc]
    @staticmethod
    def serve(static_file: Any, environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        wanted = parse_accept_header(environ.get("HTTP_ACCEPT_ENCODING", ""))
        said = {"HTTP_ACCEPT_ENCODING": ", ".join(name for name, quality in wanted if quality > 0)}
        if "HTTP_IF_NONE_MATCH" in environ and _is_among(static_file.etag, environ["HTTP_IF_NONE_MATCH"]):
            said["HTTP_IF_NONE_MATCH"] = static_file.etag
        found: Iterable[bytes] = WhiteNoise.serve(static_file, environ | said, start_response)
        return found


def _is_among(etag: str, known: str) -> bool:
    found = parse_etags(known)
    return found.star_tag or found.contains_weak(etag.strip('"'))
