"""Text and YAML survive Cube's reading: YAML, then a Python f-string, then a JavaScript template."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from floe_semantic.core.rendering.sql.identifiers import (
    RESERVED,
    cube_name,
    free_name,
)
from floe_semantic.core.rendering.writing.block_yaml import dump
from floe_semantic.core.rendering.writing.cube_text import literal, prose

JINJA = re.compile(r"\{%|%\}|\{\{|\}\}|\{#|#\}")
DIFFICULT = st.text(alphabet="{}%#\\\"'`$ \t\r\n:-?&*!|>@,[]aZ0_\x00\x1b\x85\u2028\ufeff\U0001f600é\ud800", max_size=40)
TEXTS = st.text(max_size=60) | DIFFICULT


ESCAPES = {"\\\\": "\\", "\\{": "{", "\\}": "}", "\\r": "\r", "\\x5c": "\\"}
ESCAPES |= {f"\\x{ord(sign):02x}": sign for sign in "fFrR"}


def read_by_cube(text: str) -> str:
    """What an f-string without expressions comes to; fails where Cube would evaluate something."""
    shown, position = [], 0
    while position < len(text):
        if text[position] == "\\":
            escape = next((sign for sign in ESCAPES if text.startswith(sign, position)), None)
            assert escape is not None, "an escape that was not written"
            shown.append(ESCAPES[escape])
            position += len(escape)
            continue
        assert text[position] not in "{}\r", "an expression that Cube would evaluate, or a sign that it would change"
        shown.append(text[position])
        position += 1
    return "".join(shown)


@given(TEXTS)
@example("{{ env_var('SECRET') }}")
@example("ends with \\")
@example("\\{x\\}")
@example("${process.exit()} `")
def test_prose_is_shown_as_it_is_and_never_evaluated(text: str) -> None:
    written = prose(text)
    lines = re.sub(r"\r\n?|[\x85\u2028\u2029]", "\n", text).encode("utf-8", "ignore").decode()
    visible = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "", lines)
    shown = read_by_cube(written)
    assert visible.strip() == shown
    assert not written.endswith("\\")


@given(TEXTS)
@example("f")
@example("rF")
@example("\r")
def test_literal_changes_nothing_but_the_spelling(text: str) -> None:
    assert read_by_cube(literal(text)) == text


@given(
    st.recursive(
        TEXTS | st.booleans() | st.integers(),
        lambda inner: (
            st.lists(inner, min_size=1, max_size=3)
            | st.dictionaries(st.from_regex(r"[a-z]{2,8}", fullmatch=True), inner, min_size=1, max_size=3)
        ),
        max_leaves=8,
    ).filter(lambda value: isinstance(value, dict))
)
@example({"meta": {}, "list": []})
@example({"text": "{{ x }}", "more": ["}}", "%}", {"deep": "yes"}]})
def test_yaml_reads_back_and_holds_no_jinja(document: dict[str, object]) -> None:
    text = dump(document)  # type: ignore[arg-type]
    assert yaml.safe_load(text) == document
    assert text.isascii()
    assert not JINJA.search(text)


@pytest.mark.parametrize(
    "text", ["yes", "1e3", "0o17", "1:30", "null", "~", "2026-01-01", "- x", "# x", " x", "", "=", "n"]
)
def test_yaml_quotes_what_another_version_of_yaml_reads_differently(text: str) -> None:
    assert dump({"name": text}) == f'name: "{text}"\n'


@given(st.text(max_size=30))
def test_names_are_legal_in_cube_python_and_javascript(name: str) -> None:
    legal = cube_name(name)
    assert re.fullmatch(r"[_a-zA-Z][_a-zA-Z0-9]*", legal)
    assert legal not in RESERVED


@pytest.mark.parametrize(
    ("name", "legal"),
    [
        ("a-b", "a_b"),
        ("1st", "_1st"),
        ("class", "class_"),
        ("from", "from_"),
        ("f", "f_"),
        ("Rf", "Rf_"),
        ("__proto__", "__proto___"),
        ("", "_"),
    ],
)
def test_names_that_are_not_legal(name: str, legal: str) -> None:
    assert cube_name(name) == legal


def test_a_name_is_free_whatever_the_case() -> None:
    assert free_name("Orders", {"orders", "orders_"}) == "Orders__"
