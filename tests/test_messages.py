"""What is given to translators: well-formed, and told apart by nothing that they cannot see."""

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter

from jinja2 import Environment, nodes

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


class Read(HTMLParser):
    """Text that stands in a template itself, and in what is read aloud of its tags."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        read = ("aria-label", "alt", "title", "placeholder", "hx-confirm")
        self.found += [value for name, value in attrs if name in read and value]

    def handle_data(self, data: str) -> None:
        self.found.append(data.strip())


def hard_coded(path: Path) -> list[str]:
    """The texts of a template that no catalogue can translate: between its tags, and in what it puts there."""
    jinja = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    written, strings = "", list[str]()

    def walk(node: nodes.Node) -> None:
        nonlocal written
        is_translated = isinstance(node, nodes.Call) and getattr(node.node, "name", "") in ("_", "gettext", "ngettext")
        if is_translated or isinstance(node, nodes.Compare) or (isinstance(node, nodes.Keyword) and node.key == "rel"):
            return
        if isinstance(node, nodes.TemplateData):
            written += node.data
        elif isinstance(node, nodes.Const) and isinstance(node.value, str):
            strings.append(node.value)
        if isinstance(node, nodes.Pair):
            walk(node.value)
        elif isinstance(node, nodes.Getitem):
            walk(node.node)
        else:
            for child in node.iter_child_nodes():
                walk(child)

    walk(jinja.parse(path.read_text(encoding="utf-8")))
    between = [text for text in Read(written).found if re.search(r"[^\W\d_]{2}", text) and "class=" not in text]
    return [*between, *(text for text in strings if re.fullmatch(r"[A-Z][^/_=]*[a-z][^/_=]*|[a-z]+ [a-z][^=]*", text))]


def test_a_hard_coded_text_is_found_wherever_it_stands(tmp_path: Path):
    page = tmp_path / "page.html"
    page.write_text(
        """<p class="a">{{ "Pay again" if x else _("Fine") }} {{ {"a": "It is bad"}[k] }}{% trans %}Good{% endtrans %}
        left</p><a aria-label="Hey">{{ field("n", "Your name", hint="some hint") }}</a>"""
    )

    assert hard_coded(page) == ["left", "Hey", "Pay again", "It is bad", "Your name", "some hint"]


def test_no_text_of_a_customers_page_is_hard_coded():
    pages = [path for pattern in messages.TEMPLATES for path in (messages.ROOT / "templates").glob(pattern)]
    found = {path.name: texts for path in pages if path.parent.name != "email" and (texts := hard_coded(path))}

    assert len(pages) > 40
    assert found == {}
