"""The job events in which floe tells what it found out of a job."""

from __future__ import annotations

import json
from typing import Any

from floe_contracts.lineage_states import RunOrigin
from floe_contracts.openlineage import dataset_facets, enrichment
from floe_contracts.openlineage.core_check import check_core
from floe_contracts.openlineage.enrichment import COLUMN_LINEAGE, DERIVED, ENRICHED_RUN, SCHEMA, TAGS, Derived
from floe_contracts.openlineage.events import job_event

RUN = "7c0e6fcb-7080-52d6-9cf6-e306a173fa6e"
ORIGIN = RunOrigin(
    run_id=RUN,
    at="2026-01-01T00:00:00.000000Z",
    sequence=3,
    parent_run_id=RUN,
    parent_namespace="floe://default/dev",
    parent_name="orders",
)
DERIVED_COLUMNS = {"contact": (Derived("pii", True, (("n", "raw", "email"), ("n", "mart", "contact"))),)}


def event(facets: dict[str, Any], origin: RunOrigin = ORIGIN, time: str = "2026-01-01T00:00:01Z") -> dict[str, Any]:
    written: dict[str, Any] = job_event(
        producer=enrichment.ENRICHED_BY,
        time=time,
        namespace="floe://default/dev",
        name="orders.model.mart",
        job_facets={ENRICHED_RUN: enrichment.enriched_run(origin)},
        inputs=[dataset_facets.dataset(("n", "raw"), {})],
        outputs=[dataset_facets.dataset(("n", "mart"), facets)],
    )
    return json.loads(json.dumps(written))  # type: ignore[no-any-return]


def found() -> dict[str, Any]:
    made_of = dataset_facets.input_field(("n", "raw"), "email", dataset_facets.transformation("DIRECT", "IDENTITY"))
    return {
        SCHEMA: enrichment.by_floe(dataset_facets.schema([("contact", "VARCHAR", "")])),
        COLUMN_LINEAGE: enrichment.by_floe(dataset_facets.column_lineage({"contact": [made_of]})),
        DERIVED: enrichment.derived_classification(DERIVED_COLUMNS),
        TAGS: enrichment.tags({"contact": ("internal",)}, DERIVED_COLUMNS),
    }


def test_what_is_told_is_valid(openlineage: Any) -> None:
    lone = RunOrigin(run_id=RUN, at="2026-01-01T00:00:00.000000Z")
    for told in (event(found()), event({}, lone)):
        assert openlineage.problems(told) == []
        assert check_core(told) == ()


def test_what_is_taken_back_is_valid_and_says_nothing_more(openlineage: Any) -> None:
    back = {
        COLUMN_LINEAGE: dataset_facets.column_lineage({}) | {"_deleted": True},
        DERIVED: enrichment.derived_classification({}) | {"_deleted": True},
    }
    assert openlineage.problems(event(back)) == []
    assert enrichment.told_facets(event(back)) == {}


def test_the_same_findings_have_the_same_digest_whenever_they_are_told() -> None:
    later = event(found(), RunOrigin(run_id=RUN, at="2026-02-01T00:00:00.000000Z"), "2026-02-01T00:00:01Z")
    digests = {enrichment.digest_of_told(enrichment.told_facets(told)) for told in (event(found()), later)}
    assert len(digests) == 1
    other = found() | {DERIVED: enrichment.derived_classification({})}
    assert enrichment.digest_of_told(enrichment.told_facets(event(other))) not in digests


def test_what_producers_tell_is_no_part_of_the_digest() -> None:
    tagged = found() | {TAGS: enrichment.tags({}, {})}
    assert enrichment.told_facets(event(tagged)) == enrichment.told_facets(event(found()))
