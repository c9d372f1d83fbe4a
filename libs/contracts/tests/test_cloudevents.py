from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_contracts.cloudevents import Attributes, decode, encode, event_type, schema_uri
from floe_contracts.errors import ContractError
from floe_contracts.events import EVENTS, RunStarted, SpecSubmitted
from floe_contracts.subjects import EventKind

EVENT = SpecSubmitted(tenant="acme", product="orders", submission="s-1", bundle="sha256:" + "1a" * 32)
TIME = datetime(2026, 11, 20, 9, 30, 15, 250_000, UTC)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def attributes(**changes: Any) -> Attributes:
    return replace(Attributes(id="orders:s-1", source="floe/gateway", time=TIME), **changes)


@given(st.text(min_size=1), st.text(min_size=1), st.none() | st.text(min_size=1))
def test_binary_mode_carries_any_attribute_in_ascii_headers(ident: str, source: str, cause: str | None) -> None:
    sent = attributes(id=ident, source=source, causeid=cause, traceparent=TRACE)
    headers, body = encode(EVENT, sent)
    for name, value in headers.items():
        assert name.isascii()
        assert all(0x21 <= ord(character) < 0x7F and character != '"' for character in value)
    received = decode(EVENT.subject(), headers, body)
    assert received.event == EVENT
    assert received.attributes == sent


def test_attributes_are_percent_encoded_as_the_binding_says() -> None:
    headers, _ = encode(EVENT, attributes(id='50% "é" €'))
    assert headers["ce-id"] == "50%25%20%22%C3%A9%22%20%E2%82%AC"
    assert headers["Nats-Msg-Id"] == headers["ce-id"]


def test_what_is_not_known_is_not_written() -> None:
    headers, body = encode(EVENT, attributes())
    assert "ce-causeid" not in headers
    assert "traceparent" not in headers
    assert b"null" not in body


@pytest.mark.parametrize(
    "content_type", ["application/cloudevents+json", "Application/CloudEvents+JSON; charset=UTF-8"]
)
def test_structured_mode_is_read(content_type: str) -> None:
    envelope = {
        "specversion": "1.0",
        "id": "orders:s-1",
        "source": "somebody",
        "type": event_type(EventKind.SPEC_SUBMITTED),
        "time": "2026-11-20T10:30:15.250+01:00",
        "causeid": "é 1%",
        "an-unknown-attribute": 1,
        "data": EVENT.model_dump(mode="json", exclude_none=True),
    }
    body = json.dumps(envelope).encode()
    received = decode(EVENT.subject(), {"Content-Type": content_type}, body)
    assert received.event == EVENT
    assert received.attributes == attributes(source="somebody", causeid="é 1%")


def test_header_names_are_read_in_any_case() -> None:
    headers, body = encode(EVENT, attributes())
    shouted = {name.upper(): value for name, value in headers.items()}
    assert decode(EVENT.subject(), shouted, body).event == EVENT


def refused(subject: str, headers: dict[str, str] | None, body: bytes) -> str:
    with pytest.raises(ContractError) as caught:
        decode(subject, headers, body)
    return caught.value.message


def test_an_unknown_major_is_refused_by_name() -> None:
    headers, body = encode(EVENT, attributes())
    message = refused(EVENT.subject(), headers | {"ce-type": "dev.floe.spec.submitted.v2"}, body)
    assert "'dev.floe.spec.submitted.v2' has the major 'v2'" in message
    assert "'v1'" in message


@pytest.mark.parametrize(
    "event_type_text", ["", "com.example.thing", "dev.floe.spec.exploded.v1", "dev.floe.", "dev.floe.v1"]
)
def test_an_unknown_type_is_refused(event_type_text: str) -> None:
    headers, body = encode(EVENT, attributes())
    assert repr(event_type_text) in refused(EVENT.subject(), headers | {"ce-type": event_type_text}, body)


def test_an_event_on_the_subject_of_another_kind_is_refused() -> None:
    headers, body = encode(EVENT, attributes())
    message = refused("floe.v1.artifacts.compiled.acme.orders", headers, body)
    assert "dev.floe.spec.submitted.v1" in message
    assert "artifacts.compiled" in message


@pytest.mark.parametrize("field", ["tenant", "product"])
def test_data_that_speaks_of_another_place_than_the_subject_is_refused(field: str) -> None:
    headers, body = encode(EVENT.model_copy(update={field: "evil"}), attributes())
    assert "evil" in refused(EVENT.subject(), headers, body)


def test_an_unescaped_subject_is_refused() -> None:
    started = RunStarted(
        tenant="acme", environment="prod", product="orders", run_id="r", artifact_digest="d", attempt=1
    )
    headers, body = encode(started, attributes())
    refused(started.subject().replace("acme", "_61cme"), headers, body)


@pytest.mark.parametrize("name", ["specversion", "id", "source", "time", "type"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_attribute_is_named(name: str, value: str | None) -> None:
    headers, body = encode(EVENT, attributes())
    del headers[f"ce-{name}"]
    if value is not None:
        headers[f"ce-{name}"] = value
    with pytest.raises(ContractError) as caught:
        decode(EVENT.subject(), headers, body)
    assert f"ce-{name}" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"), [("time", "yesterday"), ("time", "2026-11-20T09:30:15"), ("specversion", "0.3")]
)
def test_an_attribute_that_means_nothing_is_refused(name: str, value: str) -> None:
    headers, body = encode(EVENT, attributes())
    assert repr(value) in refused(EVENT.subject(), headers | {f"ce-{name}": value}, body)


def test_a_structured_attribute_of_another_type_is_refused() -> None:
    envelope = {
        "specversion": "1.0",
        "id": "a",
        "source": "b",
        "type": event_type(EventKind.SPEC_SUBMITTED),
        "time": "2026-11-20T10:30:15Z",
        "data": EVENT.model_dump(mode="json", exclude_none=True),
    }
    structured = {"content-type": "application/cloudevents+json"}
    for change in ({"causeid": 1}, {"id": 7}, {"type": 5}, {"time": None}, {"data": None}):
        refused(EVENT.subject(), structured, json.dumps(envelope | change).encode())
    refused(EVENT.subject(), structured, b"[]")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"[]", b"null", b'{"tenant": 1}', b'{"a": NaN}'])
def test_a_body_that_is_not_the_data_is_refused(body: bytes) -> None:
    headers, _ = encode(EVENT, attributes())
    assert refused(EVENT.subject(), headers, body)


def test_a_message_without_headers_is_refused() -> None:
    with pytest.raises(ContractError) as caught:
        decode(EVENT.subject(), None, b"{}")
    assert "ce-type" in str(caught.value)


JSON = st.recursive(st.none() | st.integers() | st.text(), st.lists)


@given(
    st.sampled_from(EventKind),
    st.dictionaries(
        st.sampled_from(["ce-type", "ce-id", "ce-time", "ce-source", "ce-specversion", "content-type"]),
        st.text() | st.sampled_from([event_type(kind) for kind in EventKind] + ["application/cloudevents"]),
    ),
    st.binary(max_size=40)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps).map(str.encode),
    st.text(max_size=20),
)
def test_only_contract_errors_ever_escape(kind: EventKind, headers: dict[str, str], body: bytes, names: str) -> None:
    with pytest.raises(ContractError):
        decode(f"floe.v1.{kind.value}.{names}", headers, body)


def test_every_kind_has_one_model_one_type_and_one_schema() -> None:
    assert set(EVENTS) == set(EventKind)
    assert len({event_type(kind) for kind in EventKind}) == len(EventKind)
    assert schema_uri(EventKind.RUN_STARTED) == "https://floe.dev/schemas/events/run.started/1.4.json"


def test_only_some_kinds_have_a_detail_in_their_subject() -> None:
    with pytest.raises(ContractError, match="no detail"):
        EVENT.detail()
