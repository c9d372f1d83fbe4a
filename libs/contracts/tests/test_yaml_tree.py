from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_contracts.documents.yaml_tree import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_KEY,
    MAX_PROBLEMS,
    MAX_TEXT,
    MAX_VALUES,
    YamlInvalid,
    read_tree,
)
from floe_contracts.errors import DocumentInvalid, FloeError, Where

from .machine_time import millions


def value(text: str) -> Any:
    return read_tree(text, "floe.yaml").value


def problems(text: str) -> tuple[FloeError, ...]:
    with pytest.raises(DocumentInvalid) as caught:
        read_tree(text, "floe.yaml")
    assert all(isinstance(problem, YamlInvalid) for problem in caught.value.problems)
    return caught.value.problems


@pytest.mark.parametrize(
    "written", ["1.10", "NO", "12:30:45", "true", "0x1F", "1_000", "2026-11-20", "1e3", ".inf", "0o17", "=", "Null"]
)
def test_every_scalar_stays_the_text_that_was_written(written: str) -> None:
    assert value(f"key: {written}\nlist: [{written}]") == {"key": written, "list": [written]}


def test_only_a_plain_null_is_nothing() -> None:
    text = "a: null\nb: ~\nc:\nd: 'null'\ne: \"\"\nf: '~'\ng: [null, 'null']"
    assert value(text) == {"a": None, "b": None, "c": None, "d": "null", "e": "", "f": "~", "g": [None, "null"]}


def test_block_scalars_and_flow_collections_are_read() -> None:
    assert value("a: |\n  one\n  two\nb: >-\n  one\n  two\nc: {d: [e, {f: g}]}") == {
        "a": "one\ntwo\n",
        "b": "one two",
        "c": {"d": ["e", {"f": "g"}]},
    }


def test_places_are_exact_and_count_from_one() -> None:
    tree = read_tree("one: 1\ntwo:\n  - x\n  - {deep: y}\n", "floe.yaml")
    assert tree.where(()) == Where("floe.yaml", 1, 1)
    assert tree.where(("two",)) == Where("floe.yaml", 2, 1, "two")
    assert tree.where(("two", 1, "deep")) == Where("floe.yaml", 4, 6, "two.1.deep")
    assert tree.where(("two", 1, "absent")) == Where("floe.yaml", 4, 5, "two.1.absent")


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a: 1\nb: 2\na: 3", 3, 1, "the key 'a' stands twice"),
        ("a: &x 1\nb: *x", 2, 4, "aliases are not allowed"),
        ("a: &x b\n*x : 2", 2, 1, "aliases are not allowed"),
        ("a: &x\n  b: *x", 2, 6, "aliases are not allowed"),
        ("a: !!binary aGk=", 1, 4, "the tag 'tag:yaml.org,2002:binary' is not allowed"),
        ("a: !!int 3", 1, 4, "the tag 'tag:yaml.org,2002:int' is not allowed"),
        ("!!python/name:os.system a: 1", 1, 1, "the tag 'tag:yaml.org,2002:python/name:os.system' is not allowed"),
        ("a: !secret [b]", 1, 4, "the tag '!secret' is not allowed"),
        ("? [a]\n: b", 1, 3, "a key must be a plain text"),
        ("~: b", 1, 1, "a key must be a plain text"),
        ("k" * (MAX_KEY + 1) + ": b", 1, 1, f"a key has over {MAX_KEY} characters"),
        ("a: b\n---\nc: d", 2, 1, "a second document starts here"),
        ("", 1, 1, "the document is empty"),
        ("a: [b", 2, 1, "not YAML: did not find expected ',' or ']'"),
        ("a: 'b", 1, 6, "not YAML: found unexpected end of stream"),
        ("a:\n\t- b", 2, 1, "not YAML: found character that cannot start any token"),
    ],
)
def test_what_floe_does_not_read_is_refused_at_its_place(text: str, line: int, column: int, message: str) -> None:
    (problem,) = problems(text)
    assert problem.code == "FLOE-SPEC-002"
    assert problem.where is not None
    assert (problem.where.file, problem.where.line, problem.where.column) == ("floe.yaml", line, column)
    assert problem.message == message


@pytest.mark.parametrize("text", ["a: \x00", "a: \ud800"])
def test_characters_that_yaml_cannot_hold_are_refused(text: str) -> None:
    (problem,) = problems(text)
    assert problem.where == Where("floe.yaml")


def test_all_problems_are_told_at_once() -> None:
    found = problems("a: 1\na: 2\nb: !x 3\nc: *d\nd: {e: 1, e: 2}")
    assert [problem.where.line for problem in found if problem.where] == [2, 3, 4, 5]


def test_a_merge_key_is_a_key_like_any_other() -> None:
    assert value("<<: {a: 1}\nb: 2") == {"<<": {"a": "1"}, "b": "2"}


def test_depth_has_a_limit() -> None:
    assert value("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    (problem,) = problems("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))
    assert problem.where is not None
    assert problem.where.column == MAX_DEPTH + 1
    assert "deeper than 40 levels" in problem.message


def test_size_has_a_limit_in_bytes() -> None:
    assert value("a #" + "x" * (MAX_BYTES - 3)) == "a"
    (problem,) = problems("a #" + "x" * (MAX_BYTES - 4) + "é")
    assert problem.message == "the file is over 256 kB"


def test_the_number_of_values_has_a_limit() -> None:
    (problem,) = problems("[" + "x," * (MAX_VALUES + 1) + "]")
    assert problem.message == f"the document has over {MAX_VALUES} values"


def test_texts_have_a_limit() -> None:
    assert value("a: " + "x" * MAX_TEXT)
    for text in ("a: " + "x" * (MAX_TEXT + 1), "a: |\n" + " x\n" * MAX_TEXT):
        (problem,) = problems(text)
        assert problem.message == f"a text has over {MAX_TEXT} characters"
        assert problem.where == Where("floe.yaml", 1, 4, "a")


def test_the_number_of_problems_has_a_limit() -> None:
    found = problems("a: 1\n" * 50_000)
    assert len(found) == MAX_PROBLEMS + 1
    assert found[-1].message == "too many problems to go on"


@pytest.mark.parametrize(
    ("piece", "times"),
    [("[", 3000), ("[", 200_000), ("- ", 100_000), ("{a: ", 60_000), ("[\n", 100_000), ("? ", 100_000)],
)
def test_nesting_can_neither_crash_nor_stall_the_process(piece: str, times: int) -> None:
    found: list[FloeError] = []
    assert millions(lambda: found.extend(problems(piece * times))) < 20
    assert found


def test_nesting_cannot_crash_a_process_with_a_small_stack() -> None:
    script = (
        "import sys, threading\n"
        "from floe_contracts.errors import DocumentInvalid\n"
        "from floe_contracts.documents.yaml_tree import read_tree\n"
        "def read():\n"
        "    try:\n"
        "        read_tree('[' * 200_000, 'floe.yaml')\n"
        "    except DocumentInvalid:\n"
        "        print('refused')\n"
        "threading.stack_size(256 * 1024)\n"
        "thread = threading.Thread(target=read)\n"
        "thread.start()\n"
        "thread.join()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "refused\n")


YAML_WORDS = [
    "a",
    "b: ",
    "- ",
    "? ",
    "~",
    "null",
    "<<: ",
    "&x ",
    "*x",
    "!!str ",
    "!t ",
    "%YAML 1.1\n",
    "---\n",
    "...\n",
]
YAML_PIECES = st.sampled_from([*YAML_WORDS, *"[]{},'\"|>#@:\n\t é\x85\ufeff\u2028\x07"])


@given(st.lists(YAML_PIECES, max_size=30).map("".join) | st.text(st.characters(), max_size=60))
def test_only_an_invalid_document_ever_escapes(text: str) -> None:
    with contextlib.suppress(DocumentInvalid):
        assert () in read_tree(text, "floe.yaml").places
