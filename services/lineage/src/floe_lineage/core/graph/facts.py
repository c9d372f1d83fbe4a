"""What an OpenLineage event says, as far as the graph is concerned.

The core of an event must be right. Facets need not be: one that does not have the shape of its schema says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

import orjson

from floe_contracts.errors import ContractError
from floe_contracts.lineage_states import ColumnSource, DatasetName, RunOrigin, StateField
from floe_contracts.openlineage.core_check import check_core
from floe_contracts.openlineage.enrichment import ENRICHED_BY
from floe_contracts.openlineage.naming import Place
from floe_contracts.plugins.lineage_backends import LineageEvent
from floe_contracts.subjects import ROOT, unescape

Kind: TypeAlias = Literal["run", "job", "dataset"]

LANDING: Final = "LANDING"
"""The type of a job that copies a relation into its table."""

_FLOE_JOBS: Final = "floe://"
_SUBJECT_TOKENS: Final = len(ROOT.split(".")) + 6
_MICROSECONDS: Final = 1_000_000
_CLASSIFIED: Final = "classification"
_PERSONAL: Final = "pii"
_NOT: Final = frozenset({"false", "no", "none", "0", ""})


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """What a producer says that the columns of an output are made of."""

    columns: dict[str, tuple[ColumnSource, ...]]
    whole: tuple[ColumnSource, ...]


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """What an event says of a dataset; None stands for nothing said."""

    name: DatasetName
    described: bool = False
    """Whether it has any facets at all."""
    type: str | None = None
    fields: tuple[StateField, ...] = ()
    ordered: bool = False
    """Whether the producer says where each column stands, so that these are all of them."""
    declared: dict[str, tuple[str, ...]] | None = None
    symlinks: tuple[DatasetName, ...] | None = None
    dropped: bool = False
    columns: ColumnFacts | None = None

    @property
    def mentioned(self) -> Iterator[DatasetName]:
        """Datasets that only its columns speak of."""
        if self.columns is not None:
            for sources in (*self.columns.columns.values(), self.columns.whole):
                for source in sources:
                    yield DatasetName(namespace=source.namespace, name=source.dataset)


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What an event says of a job."""

    namespace: str
    name: str
    type: str | None = None
    landing: bool = False
    sql: str | None = None
    dialect: str | None = None


@dataclass(frozen=True, slots=True)
class EventFacts:
    """What an event says."""

    kind: Kind
    place: Place
    at: int
    """When it happened, in microseconds since 1970; never after the bus stored it, as clocks may be wrong."""
    job: JobFacts | None = None
    event_type: str = "OTHER"
    run_id: str | None = None
    origin: RunOrigin | None = None
    inputs: tuple[DatasetFacts, ...] = ()
    outputs: tuple[DatasetFacts, ...] = ()
    dataset: DatasetFacts | None = None
    enrichment: Mapping[str, Any] | None = field(default=None, repr=False)
    """The event itself, if it is one in which floe told what it had found out."""

    @property
    def complete(self) -> bool:
        """Whether it says what a job reads and writes once it is done."""
        return self.kind == "job" or self.event_type == "COMPLETE"

    @property
    def time(self) -> str:
        """When it happened, ISO 8601."""
        return iso(self.at)


def iso(at: int) -> str:
    """A time in microseconds since 1970 in ISO 8601."""
    return datetime.fromtimestamp(at / _MICROSECONDS, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def read_facts(event: LineageEvent) -> EventFacts:
    """What an event of the stream says.

    Raises:
        ContractError: it is no event; or a producer that is not floe speaks of a job of floe's.
    """
    place = _place(event.subject)
    try:
        document = orjson.loads(event.body)
    except orjson.JSONDecodeError as error:
        raise ContractError(f"the event is not JSON: {error}") from error
    if problems := check_core(document):
        first = problems[0]
        raise ContractError(f"{first.pointer or 'the event'}: {first.message}")
    at = max(0, min(_micros(document["eventTime"]), event.position.stored_at))
    if "dataset" in document:
        return EventFacts("dataset", place, at, dataset=_dataset(document["dataset"]))
    job = _job(document["job"])
    if place.product.startswith("-") and job.namespace.startswith(_FLOE_JOBS):
        raise ContractError(f"{place.product[1:]} is not floe, and speaks of a job in {job.namespace}")
    inputs = tuple(_dataset(each) for each in document.get("inputs") or ())
    outputs = tuple(_dataset(each) for each in document.get("outputs") or ())
    if "run" not in document:
        own = document if document["producer"] == ENRICHED_BY else None
        return EventFacts("job", place, at, job, inputs=inputs, outputs=outputs, enrichment=own)
    run_id, event_type = document["run"]["runId"], document.get("eventType") or "OTHER"
    origin = _origin(run_id, at, document["run"].get("facets") or {}) if event_type == "COMPLETE" else None
    return EventFacts("run", place, at, job, event_type, run_id, origin, inputs, outputs)


def _place(subject: str) -> Place:
    """Whose event it is, by its subject: the bus grants subjects, nobody checks what a body says."""
    tokens = subject.split(".")
    if len(tokens) != _SUBJECT_TOKENS:
        raise ContractError(f"{subject!r} is not the subject of a lineage event")
    return Place(*map(_name, tokens[-5:-2]))


@lru_cache(maxsize=1024)
def _name(token: str) -> str:
    return unescape(token)


def _micros(text: str) -> int:
    try:
        return int(datetime.fromisoformat(text.upper()).timestamp() * _MICROSECONDS)
    except ValueError:  # a fraction of more digits than Python reads
        whole, _, rest = text.upper().partition(".")
        offset = rest.lstrip("0123456789")
        return int(datetime.fromisoformat(whole + offset).timestamp() * _MICROSECONDS)


def _job(document: Mapping[str, Any]) -> JobFacts:
    facets = document.get("facets") or {}
    kind, sql = facets.get("jobType") or {}, facets.get("sql") or {}
    named = _text(kind.get("jobType")) or _text(kind.get("integration"))
    query = _text(sql.get("query"))
    landing = named == LANDING and document["namespace"].startswith(_FLOE_JOBS)
    return JobFacts(document["namespace"], document["name"], named, landing, query, _text(sql.get("dialect")))


def _origin(run_id: str, at: int, facets: Mapping[str, Any]) -> RunOrigin:
    parent = facets.get("parent") or {}
    run, job = _object(parent.get("run")), _object(parent.get("job"))
    told: dict[str, Any] = {
        "parent_run_id": _text(run.get("runId")),
        "parent_namespace": _text(job.get("namespace")),
        "parent_name": _text(job.get("name")),
    }
    return RunOrigin(run_id=run_id, at=iso(at), **(told if all(told.values()) else {}))


def _dataset(document: Mapping[str, Any]) -> DatasetFacts:
    name = DatasetName(namespace=document["namespace"], name=document["name"])
    facets = document.get("facets") or {}
    if not facets:
        return DatasetFacts(name)
    listed = tuple(_objects(_object(facets.get("schema")).get("fields")))
    return DatasetFacts(
        name,
        described=True,
        type=_text(_object(facets.get("datasetType")).get("datasetType")),
        fields=tuple(_fields(listed)),
        ordered=all("ordinal_position" in each for each in listed),
        declared=_declared(facets),
        symlinks=_symlinks(facets.get("symlinks")),
        dropped=_object(facets.get("lifecycleStateChange")).get("lifecycleStateChange") == "DROP",
        columns=_columns(facets.get("columnLineage")),
    )


def _fields(listed: Iterable[Mapping[str, Any]]) -> Iterator[StateField]:
    for each in listed:
        if name := _text(each.get("name")):
            yield StateField(name=name, type=_text(each.get("type")))


def _declared(facets: Mapping[str, Any]) -> dict[str, tuple[str, ...]] | None:
    """What the owner says of columns: by floe's facet, else by tags, which any producer can write."""
    found: dict[str, set[str]] = {}
    own = facets.get("floe_classification")
    if isinstance(own, dict):
        for column, said in _object(own.get("columns")).items():
            if called := _text(_object(said).get("classification")):
                found.setdefault(column, set()).add(called)
    elif isinstance(facets.get("tags"), dict):
        for tag in _objects(facets["tags"].get("tags")):
            if (field_name := _text(tag.get("field"))) and (tagged := _tagged(tag)):
                found.setdefault(field_name, set()).add(tagged)
    else:
        return None
    return {column: tuple(sorted(names)) for column, names in found.items()}


def _tagged(tag: Mapping[str, Any]) -> str | None:
    key, value = (_text(tag.get("key")) or "").lower(), (_text(tag.get("value")) or "").lower()
    if key == _CLASSIFIED:
        return value or None
    return _PERSONAL if key == _PERSONAL and value not in _NOT else None


def _symlinks(facet: object) -> tuple[DatasetName, ...] | None:
    if not isinstance(facet, dict):
        return None
    named = ((_text(each.get("namespace")), _text(each.get("name"))) for each in _objects(facet.get("identifiers")))
    return tuple(DatasetName(namespace=namespace, name=name) for namespace, name in named if namespace and name)


def _columns(facet: object) -> ColumnFacts | None:
    if not isinstance(facet, dict) or not isinstance(facet.get("fields"), dict) or facet.get("_deleted") is True:
        return None
    columns = {}
    for column, said in facet["fields"].items():
        masked = _object(said).get("transformationType") == "MASKED"  # versions before 1-1-0
        columns[column] = tuple(_sources(_object(said).get("inputFields"), masked=masked))
    return ColumnFacts(columns, tuple(_sources(facet.get("dataset"), masked=False)))


def _sources(listed: object, *, masked: bool) -> Iterator[ColumnSource]:
    for each in _objects(listed):
        namespace, dataset, column = (_text(each.get(key)) for key in ("namespace", "name", "field"))
        if not (namespace and dataset and column):
            continue
        for how in tuple(_objects(each.get("transformations"))) or ({},):
            yield ColumnSource(
                namespace=namespace,
                dataset=dataset,
                field=column,
                type="INDIRECT" if how.get("type") == "INDIRECT" else "DIRECT",
                subtype=_text(how.get("subtype")),
                masking=masked or how.get("masking") is True,
            )


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> Iterator[Mapping[str, Any]]:
    for each in value if isinstance(value, list) else ():
        if isinstance(each, dict):
            yield each


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
