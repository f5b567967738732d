"""A form that is refused comes back as its page, with the sentence, what was typed, and the refusal's own status."""

from collections.abc import Callable
from functools import wraps

from flask.typing import ResponseReturnValue

from inspired.domain.shared.errors import Refusal

View = Callable[..., ResponseReturnValue]


def refusals_shown_by(page: View, kind: type[Refusal] = Refusal) -> Callable[[View], View]:
    """`page` takes the view's own arguments, and `refusal`. Other refusals go on to the error pages."""

    def decorate(view: View) -> View:
        @wraps(view)
        def answer(**arguments: str) -> ResponseReturnValue:
            try:
                return view(**arguments)
            except kind as refusal:
                return page(**arguments, refusal=refusal), refusal.status  # type: ignore[return-value]

        return answer

    return decorate
