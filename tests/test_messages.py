"""What is given to translators: well-formed, and told apart by nothing that they cannot see."""

import re
from collections import Counter
from string import Formatter

from tests import messages
from tests.messages import Found

OF_TEMPLATES = re.compile(r"%\((\w+)\)s|%%")
TAG = re.compile(r"<(/?)(\w+)[^>]*>")


def forms(found: Found) -> tuple[str, ...]:
    return (found.text,) if isinstance(found.text, str) else found.text


def placeholders(found: Found, text: str) -> Counter[str]:
    """Raises ValueError for a brace or a percent sign that is no placeholder."""
    if found.place.startswith("templates/"):
        if "%" in OF_TEMPLATES.sub("", text):
            raise ValueError(text)
        return Counter(name for name in OF_TEMPLATES.findall(text) if name)
    return Counter(name for _, name, _, _ in Formatter().parse(text) if name is not None)


def test_every_placeholder_has_a_name_and_is_well_formed():
    names = [name for found in messages.everything() for text in forms(found) for name in placeholders(found, text)]

    assert len(names) > 100
    assert [name for name in names if not re.fullmatch(r"[a-z][a-z_]*", name)] == []


def test_both_forms_of_a_plural_have_the_same_placeholders():
    plurals = [found for found in messages.everything() if not isinstance(found.text, str)]
    differing = [
        found
        for found in plurals
        if len({frozenset({*placeholders(found, text)} - {"number"}) for text in forms(found)}) > 1
    ]

    assert plurals
    assert differing == []


def test_tags_inside_a_text_are_closed_in_it():
    def open_tags(text: str) -> list[str]:
        stack: list[str] = []
        for closing, tag in TAG.findall(text):
            if not closing:
                stack.append(tag)
            elif not stack or stack.pop() != tag:
                stack.append(f"/{tag}")
        return stack

    texts = [text for found in messages.everything() for text in forms(found)]

    assert [text for text in texts if open_tags(text)] == []


def test_no_text_begins_or_ends_in_a_space():
    """Such a text is a piece of a sentence."""
    texts = [text for found in messages.everything() for text in forms(found)]

    assert [text for text in texts if text != text.strip()] == []
