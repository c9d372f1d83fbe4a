"""Requests: strictly read, tolerantly answered."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_contracts import subjects
from floe_contracts.catalog_requests import (
    EXPIRE_SNAPSHOTS,
    LIST_TABLES,
    OPERATIONS,
    READ_TABLE,
    ROLL_BACK,
    ExpireSnapshots,
    ReadTable,
    RollBack,
)
from floe_contracts.errors import ContractError
from floe_contracts.openlineage.naming import Place
from floe_contracts.requests import Operation
from floe_contracts.rollbacks import rollback_key

names = st.text(min_size=1, max_size=20)


def test_a_service_has_one_operation_of_a_name() -> None:
    assert len({(one.service, one.name) for one in OPERATIONS}) == len(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_a_request_says_what_each_of_its_fields_means(operation: Operation[Any, Any]) -> None:
    for model in (operation.request, operation.answer):
        assert model.__doc__
        assert all(field.description for field in model.model_fields.values())
        assert model.model_fields["version"].default == "1.0"


def test_a_request_reads_back() -> None:
    request = ReadTable(table="orders", at="run:r1", columns=("id",), limit=None, form="arrow")
    assert READ_TABLE.read(request.model_dump(mode="json")) == request


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"dry_rnu": True}, "dry_rnu"),
        ({"version": "1.7", "keep_branches": True}, "keep_branches"),
        ({"version": "2.0"}, "version"),
        ({"max_age_days": -1}, "max_age_days"),
        ({"max_age_days": float("inf")}, "max_age_days"),
        ({"dry_run": "perhaps"}, "dry_run"),
        ([], "the request"),
        (None, "the request"),
    ],
    ids=["mistyped", "newer-minor", "newer-major", "range", "for-ever", "type", "list", "nothing"],
)
def test_what_a_service_does_not_know_it_does_not_do(document: object, said: str) -> None:
    """Ignoring a field, as readers of events do, would delete where only a look was asked for."""
    with pytest.raises(ContractError, match=said):
        EXPIRE_SNAPSHOTS.read(document)


def test_a_newer_minor_without_new_wishes_is_read() -> None:
    assert EXPIRE_SNAPSHOTS.read({"version": "1.7", "dry_run": True}) == ExpireSnapshots(version="1.7", dry_run=True)


def test_an_answer_may_say_more_than_its_reader_knows() -> None:
    document = {"version": "1.3", "tables": [{"identifier": "a.b", "product": "p", "colour": "red"}], "more": 1}
    (table,) = LIST_TABLES.answer.read(document).tables
    assert (table.identifier, table.snapshot, table.drift) == ("a.b", None, 0)
    with pytest.raises(ContractError, match="version"):
        LIST_TABLES.answer.read({"version": "2.0", "tables": []})


def test_a_rollback_names_a_table_or_a_run() -> None:
    assert RollBack(to="run:r1").run_id == "r1"
    assert RollBack(table="orders", to="17").run_id is None
    with pytest.raises(ContractError, match="name a table, or a run"):
        ROLL_BACK.read({"to": "17"})


@given(names, names, names, names)
def test_the_subject_of_a_request_reads_back(service: str, name: str, tenant: str, environment: str) -> None:
    subject = subjects.RequestSubject(service, name, tenant, environment)
    assert subjects.parse_request(str(subject)) == subject
    assert subjects.template(str(subject)) == ".".join(str(subject).split(".")[:5])


@given(st.text(max_size=40))
def test_rubbish_is_no_subject_of_a_request(text: str) -> None:
    for subject in (text, f"floe.v1.request.{text}", f"floe.v1.request.a.b.{text}"):
        try:
            parsed = subjects.parse_request(subject)
        except ContractError:
            continue
        assert str(parsed) == subject


@given(names, names, names)
def test_only_answers_of_a_service_go_where_its_answers_go(service: str, asker: str, token: str) -> None:
    reply = subjects.answer(service, asker, token)
    assert subjects.is_answer(reply, service)
    assert not subjects.is_answer(reply, service + "x")
    assert subjects.template(reply) == "floe.v1.answer"
    assert subjects.template(subjects.flow(service, token)) == "floe.v1.flow"


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "floe.v1.answer.catalog",
        "floe.v1.answer.catalog.cli",
        "floe.v1.answer.catalog.cli.t.x",
        "floe.v1.answer.catalog.cli.*",
        "floe.v1.answer.catalog.>",
        "floe.v1.answer.catalog.cli.A",
        "floe.v1.table.committed.a.b.c.d",
        "_INBOX_cli.x",
    ],
)
def test_nothing_else_is_where_an_answer_may_go(reply: str) -> None:
    assert not subjects.is_answer(reply, "catalog")


def test_the_journal_of_a_rollback_stands_beside_the_products() -> None:
    """Four tokens: whoever lists products asks for three."""
    assert rollback_key(Place("acme", "prod", "orders_2")) == "rollback.acme.prod.orders_5f2"
