"""JSON Schemas (2020-12) of everything that crosses a boundary."""

from __future__ import annotations

import json
import typing
from collections.abc import Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from floe_contracts import artifacts, catalog_requests, events, lineage_requests, semantic_requests
from floe_contracts.cloudevents import SCHEMA_ROOT, schema_uri
from floe_contracts.events import EVENTS
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.governance.reports import EnforcementReport
from floe_contracts.lineage_states import RunOrigin
from floe_contracts.nodes import CLASSIFICATION_PATTERN, NodeGraph, Sensitivity
from floe_contracts.openlineage import enrichment, run_facets
from floe_contracts.platform_spec import PlatformSpec
from reference_generator import standard_facets

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_CORE: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs"
_DIGEST: Final = "^sha256:[0-9a-f]{64}$"


class _WithoutFieldTitles(GenerateJsonSchema):
    """Pydantic repeats each field's name as its title."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        del schema
        return False


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of a model, by the names that are written."""
    closed: dict[str, Any] = _closed(model.model_json_schema(by_alias=True, schema_generator=_WithoutFieldTitles))
    return closed


def _closed(schema: Any) -> Any:
    """Pydantic says which pattern keys have, but not that there are no others."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    more = {"additionalProperties": False} if "patternProperties" in schema else {}
    return more | {key: _closed(value) for key, value in schema.items()}


def contract_schemas() -> dict[str, str]:
    """Path below the folder of schemas -> content."""
    artifact_minor = artifacts.VERSION.rpartition(".")[0]
    graph_version = NodeGraph.model_fields["version"].default
    models: dict[str, type[BaseModel]] = {
        "floe-spec.json": FloeSpec,
        "platform-spec.json": PlatformSpec,
        f"compiled-artifacts/{artifact_minor}.json": artifacts.CompiledArtifacts,
        f"node-graph/{graph_version}.json": NodeGraph,
        f"enforcement-report/{EnforcementReport.model_fields['version'].default}.json": EnforcementReport,
    }
    models |= {f"events/{kind.value}/{events.VERSION}.json": model for kind, model in EVENTS.items()}
    for operation in (*catalog_requests.OPERATIONS, *lineage_requests.OPERATIONS, *semantic_requests.OPERATIONS):
        for part, model in (("request", operation.request), ("answer", operation.answer)):
            version = model.model_fields["version"].default
            models[f"requests/{operation.service}.{operation.name}/{part}/{version}.json"] = model
    for kind in EVENTS:
        if schema_uri(kind) != f"{SCHEMA_ROOT}/events/{kind.value}/{events.VERSION}.json":
            raise ValueError(f"events of {kind} would name a schema that is not published: {schema_uri(kind)}")
    schemas = {path: _with_address(f"{SCHEMA_ROOT}/{path}", schema_of(model)) for path, model in models.items()}
    own = (_artifact_facet(), _trace_facet(), _classification_facet(), _derived_classification_facet())
    for facet in (*own, _enriched_run_facet()):
        schemas[facet["$id"].removeprefix(f"{SCHEMA_ROOT}/")] = facet
    schemas[standard_facets.PATH] = standard_facets.standard_facets()
    return {path: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for path, schema in schemas.items()}


def _with_address(address: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"$schema": DRAFT, "$id": address} | schema


def _artifact_facet() -> dict[str, Any]:
    written = run_facets.artifact("sha256:", 1)
    properties = {
        "digest": {
            "type": "string",
            "pattern": _DIGEST,
            "description": "Digest of the artifact that was run.",
        },
        "attempt": {"type": "integer", "minimum": 1, "description": "Which attempt of the run this is."},
    }
    return _facet(written["_schemaURL"], "RunFacet", "floe_artifact", properties, "The artifact that a run executes.")


def _trace_facet() -> dict[str, Any]:
    written = run_facets.trace("", "")
    properties = {
        "traceId": {"type": "string", "pattern": "^[0-9a-f]{32}$", "description": "Id of the trace."},
        "spanId": {"type": "string", "pattern": "^[0-9a-f]{16}$", "description": "Id of the span that the run is."},
    }
    return _facet(written["_schemaURL"], "RunFacet", "floe_trace", properties, "The run in OpenTelemetry.")


def _classification_facet() -> dict[str, Any]:
    column = {
        "type": "object",
        "required": ["classification", "sensitivity"],
        "properties": {
            "classification": {"type": "string", "pattern": CLASSIFICATION_PATTERN},
            "sensitivity": {"enum": list(typing.get_args(Sensitivity))},
            "piiType": {"type": "string", "description": "What kind of personal data, as the project calls it."},
        },
    }
    properties = {
        "columns": {"type": "object", "additionalProperties": column, "description": "Classified columns, by name."}
    }
    address = f"{SCHEMA_ROOT}/openlineage/1-0-1/FloeClassificationDatasetFacet.json"
    text = "What the owner of a dataset says about the data in its columns."
    return _facet(address, "DatasetFacet", "floe_classification", properties, text)


def _derived_classification_facet() -> dict[str, Any]:
    written = enrichment.derived_classification({})
    step = {
        "type": "object",
        "required": ["namespace", "name", "field"],
        "properties": {name: {"type": "string"} for name in ("namespace", "name", "field")},
    }
    derived = {
        "type": "object",
        "required": ["classification", "masked", "path"],
        "properties": {
            "classification": {"type": "string", "description": "As in pii."},
            "masked": {"type": "boolean", "description": "Whether values were made unreadable on the way."},
            "path": {
                "type": "array",
                "items": step,
                "minItems": 2,
                "description": "From the column whose owner says so to this one.",
            },
        },
    }
    columns = {"type": "object", "additionalProperties": {"type": "array", "items": derived, "minItems": 1}}
    properties = {"columns": columns | {"description": "What columns are because of others, by name."}}
    text = "What the columns of a dataset are because of the columns that they are made of."
    return _facet(written["_schemaURL"], "DatasetFacet", enrichment.DERIVED, properties, text)


def _enriched_run_facet() -> dict[str, Any]:
    written = enrichment.enriched_run(RunOrigin(run_id="", at=""))
    named = {"type": "object", "required": ["namespace", "name"]}
    run_id = {"type": "string", "format": "uuid"}
    parent = {
        "type": "object",
        "required": ["run", "job"],
        "properties": {
            "run": {"type": "object", "required": ["runId"], "properties": {"runId": run_id}},
            "job": named | {"properties": {name: {"type": "string"} for name in ("namespace", "name")}},
        },
        "description": "The run that it belonged to.",
    }
    properties = {
        "runId": run_id | {"description": "The run."},
        "eventTime": {"type": "string", "format": "date-time", "description": "When it was told to be complete."},
        "sequence": {"type": "integer", "minimum": 0, "description": "The number of that event in the stream."},
        "parent": parent,
    }
    text = "The run that something was found out from after its end."
    required = ("runId", "eventTime", "sequence")
    return _facet(written["_schemaURL"], "JobFacet", enrichment.ENRICHED_RUN, properties, text, required)


def _facet(
    address: str,
    parent: str,
    key: str,
    properties: dict[str, Any],
    description: str,
    required: Sequence[str] | None = None,
) -> dict[str, Any]:
    document = address.partition("#")[0]
    name = document.rpartition("/")[2].removesuffix(".json")
    own = {"type": "object", "required": list(required or properties), "properties": properties}
    facet = {"description": description, "allOf": [{"$ref": f"{_CORE}/{parent}"}, own], "type": "object"}
    return {
        "$schema": DRAFT,
        "$id": document,
        "$defs": {name: facet},
        "type": "object",
        "properties": {key: {"$ref": f"#/$defs/{name}"}},
    }
