"""What the executor asks of the child, and what the child answers: both as one line of JSON each."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from floe_contracts.transform_context import TransformContext


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckJob:
    """A quality check of the table: its name, its type, the column that it looks at, its arguments."""

    name: str
    type: str
    column: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformJob:
    """One transform.

    Attributes:
        name: of the transform and of its table.
        module: the module, from `folder`.
        folder: the product's folder.
        database: the DuckDB file.
        schema: the table's schema.
        inputs: schema and name of each relation that it may read, by the name of its parameter.
        checks: what must hold of its rows.
        context: what it may know of the run.
        memory_limit: how much DuckDB may hold in memory; None for its own default.
        threads: how many threads DuckDB runs.
        memory_bytes: how much memory the whole process may have; None for no limit.
        file_bytes: how large a file may be that it writes, so also the DuckDB file; None for no limit.
        open_files: how many it may have open; None for no limit.
    """

    name: str
    module: str
    folder: str
    database: str
    schema: str
    inputs: dict[str, tuple[str, str]]
    checks: tuple[CheckJob, ...]
    context: TransformContext
    memory_limit: str | None = None
    threads: int = 1
    memory_bytes: int | None = None
    file_bytes: int | None = None
    open_files: int | None = None

    def to_json(self) -> dict[str, Any]:
        """This value in types that JSON knows."""
        told = asdict(self)
        for name in ("partition_start", "partition_end"):
            moment = told["context"][name]
            told["context"][name] = moment.isoformat() if moment else None
        return told

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> TransformJob:
        """The value that `to_json` gave."""
        context = dict(value["context"])
        for name in ("partition_start", "partition_end"):
            context[name] = datetime.fromisoformat(context[name]) if context[name] else None
        return cls(
            **{
                **value,
                "inputs": {name: (schema, table) for name, (schema, table) in value["inputs"].items()},
                "checks": tuple(CheckJob(**{**each, "values": tuple(each["values"])}) for each in value["checks"]),
                "context": TransformContext(**context),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One line that the child tells.

    Attributes:
        kind: `built` and `failed` tell of the transform, `checked` of one check; `end` is the last line.
        seconds: how long it took.
        rows: rows of the table.
        columns: name and type of each column of the table.
        check: name of the check.
        failures: how many values or rows the check found; None if it could not be made.
        message: what went wrong.
        file: the product's file where it did.
        line: the line in it.
    """

    kind: Literal["built", "failed", "checked", "end"]
    seconds: float = 0.0
    rows: int | None = None
    columns: tuple[tuple[str, str], ...] = ()
    check: str | None = None
    failures: int | None = None
    message: str | None = None
    file: str | None = None
    line: int | None = None

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Answer:
        """The value of a line; the transform cannot write such lines by mistake.

        Raises:
            TypeError: it is none.
        """
        columns = tuple((str(name), str(kind)) for name, kind in value.get("columns") or ())
        return cls(**{**value, "columns": columns})
