from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_contracts import subjects
from floe_contracts.errors import ContractError
from floe_contracts.subjects import EventKind, EventSubject

names = st.text(min_size=1, max_size=30)
all_text = st.text(st.characters(), max_size=40)


@st.composite
def event_subjects(draw: st.DrawFn) -> EventSubject:
    kind = draw(st.sampled_from(EventKind))
    return EventSubject(kind, **{name: draw(names) for name in kind.scope.names})


@given(names)
def test_a_name_becomes_one_token_of_harmless_characters_and_comes_back(name: str) -> None:
    token = subjects.escape(name)
    assert set(token) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_")
    assert subjects.unescape(token) == name


@given(names, names)
def test_two_names_never_share_a_token(one: str, other: str) -> None:
    assert (subjects.escape(one) == subjects.escape(other)) == (one == other)


def test_tokens_stay_readable() -> None:
    assert subjects.escape("orders-2") == "orders-2"
    assert subjects.escape("model.orders.fct_orders") == "model_2eorders_2efct_5forders"
    assert subjects.escape("* > é") == "_2a_20_3e_20_c3_a9"


@given(event_subjects())
def test_a_subject_reads_back_as_what_it_was_made_of(subject: EventSubject) -> None:
    assert subjects.parse(str(subject)) == subject


@given(all_text)
def test_rubbish_is_refused_with_a_contract_error(text: str) -> None:
    for subject in (text, f"floe.v1.{text}", f"floe.v1.run.started.{text}", f"floe.v1.run.started.a.b.{text}"):
        try:
            parsed = subjects.parse(subject)
        except ContractError:
            continue
        assert str(parsed) == subject


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "floe",
        "floe.v2.run.started.a.b.c",
        "other.v1.run.started.a.b.c",
        "floe.v1.run.exploded.a.b.c",
        "floe.v1.run.started.a.b",
        "floe.v1.run.started.a.b.c.d",
        "floe.v1.run.started.a..c",
        "floe.v1.run.started.a.*.c",
        "floe.v1.run.started.a.b.>",
        "floe.v1.run.started.A.b.c",
        "floe.v1.run.started.a.b._zz",
        "floe.v1.run.started.a.b._ff",
        "floe.v1.run.started.a.b._61",
    ],
)
def test_what_escape_did_not_write_is_refused(subject: str) -> None:
    with pytest.raises(ContractError) as caught:
        subjects.parse(subject)
    assert caught.value.code == "FLOE-BUS-001"


@pytest.mark.parametrize("name", ["", "\ud800"])
def test_a_name_that_no_token_can_hold_is_refused(name: str) -> None:
    with pytest.raises(ContractError):
        subjects.escape(name)


def matches(pattern: str, subject: str) -> bool:
    """How NATS matches, for patterns without `>`."""
    expected, found = pattern.split("."), subject.split(".")
    return len(expected) == len(found) and all(p in ("*", s) for p, s in zip(expected, found, strict=True))


@given(event_subjects())
def test_a_pattern_matches_the_subjects_of_its_kind_and_names(subject: EventSubject) -> None:
    kind = subject.kind
    assert matches(subjects.pattern(kind), str(subject))
    assert matches(subjects.pattern(kind, tenant=subject.tenant, product=subject.product), str(subject))
    assert not matches(subjects.pattern(kind, tenant=subject.tenant + "x"), str(subject))
    other = next(candidate for candidate in EventKind if candidate is not kind)
    assert not matches(subjects.pattern(other), str(subject))


def test_patterns_narrow_by_environment() -> None:
    pattern = subjects.pattern(EventKind.TABLE_COMMITTED, tenant="t", environment="prod", product="orders")
    assert pattern == "floe.v1.table.committed.t.prod.orders.*"
    assert subjects.pattern(EventKind.SPEC_SUBMITTED, tenant="t") == "floe.v1.spec.submitted.t.*"


@given(event_subjects())
def test_a_template_names_the_kind_and_nothing_else(subject: EventSubject) -> None:
    assert subjects.template(str(subject)) == f"floe.v1.{subject.kind.value}"


@given(all_text)
def test_templates_of_whatever_is_published_are_few(text: str) -> None:
    known = {f"floe.v1.{kind.value}" for kind in EventKind} | {"floe.v1.lineage", "floe.v1.dlq", "other"}
    for subject in (text, f"floe.v1.{text}", f"floe.v1.lineage.{text}", f"floe.v1.dlq.{text}"):
        assert subjects.template(subject) in known


@given(names, names, names, names)
def test_lineage_subjects_match_their_pattern(tenant: str, environment: str, product: str, job: str) -> None:
    subject = subjects.lineage(tenant, environment, product, job, "COMPLETE")
    assert subject.endswith(".complete")
    assert matches(subjects.lineage_pattern(), subject)
    assert matches(subjects.lineage_pattern(tenant, environment, product), subject)
    assert subjects.lineage_pattern(tenant, environment, product, job, "COMPLETE") == subject
    assert matches(subjects.lineage_pattern(job=job, event_type="complete"), subject)
    assert not matches(subjects.lineage_pattern(job=job + "x"), subject)
    assert not matches(subjects.lineage_pattern(tenant + "x"), subject)


def test_the_lineage_of_a_place_is_below_what_is_named() -> None:
    assert subjects.lineage_of_place() == "floe.v1.lineage.>"
    assert subjects.lineage_of_place("Acme", "dev") == "floe.v1.lineage._41cme.dev.>"
    assert subjects.lineage_of_place(product="-spark") == "floe.v1.lineage.*.*.-spark.>"


def test_lineage_patterns_are_all_combinations_each_once() -> None:
    assert subjects.lineage_patterns("acme") == ("floe.v1.lineage.acme.*.*.*.*",)
    found = subjects.lineage_patterns("acme", ("dev", "prod", "dev"), jobs=("a.b",), event_types=("FAIL", "fail"))
    assert found == ("floe.v1.lineage.acme.dev.*.a_2eb.fail", "floe.v1.lineage.acme.prod.*.a_2eb.fail")


def test_dead_letters_are_told_apart_by_stream_and_consumer() -> None:
    assert subjects.dead_letter("FLOE_SPECS", "compiler") == "floe.v1.dlq.floe_5fspecs.compiler"
    assert subjects.dead_letter("FLOE_LINEAGE", "lineage-feast") == "floe.v1.dlq.floe_5flineage.lineage-feast"
