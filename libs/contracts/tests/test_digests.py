from __future__ import annotations

import json
import struct
from datetime import date

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from floe_contracts.digests import canonical_json, digest_of, is_digest, is_simple_json, short


def test_a_digest_is_the_sha256_of_the_bytes() -> None:
    digest = digest_of(b"abc")
    assert digest == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert is_digest(digest)
    assert short(digest) == "ba7816bf8f01"


@pytest.mark.parametrize(
    "text", ["", "sha256:", "sha256:" + "g" * 64, "sha256:" + "A" * 64, "sha1:" + "0" * 64, "sha256:" + "0" * 65]
)
def test_what_is_not_spelled_like_a_digest_is_none(text: str) -> None:
    assert not is_digest(text)


# RFC 8785, section 3.2.2 (the example), section 3.2.3 (sorting by UTF-16 units) and appendix B (numbers).
def test_rfc_8785_example() -> None:
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
        "literals": [None, True, False],
    }
    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonical_json(value) == expected.encode()


def test_rfc_8785_sorts_keys_by_utf_16_units() -> None:
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    ordered = list(json.loads(canonical_json(dict.fromkeys(keys, 0))))
    assert ordered == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


@pytest.mark.parametrize(
    ("bits", "text"),
    [
        ("0000000000000000", "0"),
        ("8000000000000000", "0"),
        ("0000000000000001", "5e-324"),
        ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("4340000000000000", "9007199254740992"),
        ("44b52d02c7e14af5", "9.999999999999997e+22"),
        ("44b52d02c7e14af6", "1e+23"),
        ("444b1ae4d6e2ef50", "1e+21"),
        ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("41b3de4355555553", "333333333.3333332"),
        ("43143ff3c1cb0959", "1424953923781206.2"),
    ],
)
def test_rfc_8785_numbers(bits: str, text: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical_json(number) == text.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53 + 1])
def test_what_has_no_canonical_form_is_refused(value: float) -> None:
    with pytest.raises(rfc8785.CanonicalizationError):
        canonical_json({"value": value})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=10),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=6), children, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_canonical_json_says_the_same_and_is_its_own_canonical_form(value: object) -> None:
    content = canonical_json(value)
    assert json.loads(content) == value
    assert canonical_json(json.loads(content)) == content


any_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    # Fractions as people write them, and texts of every kind of character.
    | st.decimals(-(10**9), 10**9, places=3).map(float)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=6), children, max_size=4),
    max_leaves=12,
)


@given(any_values)
def test_the_fast_way_gives_the_bytes_of_the_reference(value: object) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


def test_every_character_is_written_like_the_reference() -> None:
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    for start in range(0, len(characters), 4096):
        text = "".join(characters[start : start + 4096])
        assert is_simple_json([text])
        assert canonical_json([text]) == rfc8785.dumps([text])


@pytest.mark.parametrize(
    "value",
    [
        {"é": 1},
        {1: 1},
        2.0,
        1e-7,
        1e20,
        -0.0,
        2**53,
        float("nan"),
        (1,),
        b"x",
        {"a": [{"b": {1}}]},
        type("T", (str,), {})(),
    ],
)
def test_what_writers_may_write_in_several_ways_is_left_to_the_reference(value: object) -> None:
    assert not is_simple_json(value)


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(rfc8785.CanonicalizationError):
        canonical_json({"at": date(2026, 11, 21)})
    with pytest.raises(rfc8785.CanonicalizationError):
        canonical_json({"text": "\ud800"})
