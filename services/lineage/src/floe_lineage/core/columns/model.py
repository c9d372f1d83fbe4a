"""What is asked about a statement, and what is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["DIRECT", "INDIRECT"]

IDENTITY: Final = "IDENTITY"
TRANSFORMATION: Final = "TRANSFORMATION"
AGGREGATION: Final = "AGGREGATION"
JOIN: Final = "JOIN"
FILTER: Final = "FILTER"
GROUP_BY: Final = "GROUP_BY"
SORT: Final = "SORT"
WINDOW: Final = "WINDOW"
CONDITIONAL: Final = "CONDITIONAL"


@dataclass(frozen=True, slots=True)
class Table:
    """A dataset that SQL may speak of.

    Attributes:
        namespace: OpenLineage's namespace.
        name: OpenLineage's name; its tail is what SQL calls the table.
        columns: as they are known, spelled and ordered as in the table.
        complete: whether these are all columns.
        aliases: other names of the same data, as its symlinks have them.
    """

    namespace: str
    name: str
    columns: tuple[str, ...] = ()
    complete: bool = False
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL that wrote a dataset.

    Attributes:
        sql: one statement or several, as they ran.
        dialect: whose SQL it is, as OpenLineage's sql facet names it; None where nobody said.
        inputs: the tables that columns may come from; whatever else the SQL names is left out.
        output: the table that was written.
    """

    sql: str
    dialect: str | None
    inputs: tuple[Table, ...]
    output: Table


@dataclass(frozen=True, slots=True, order=True)
class Transformation:
    """How a column comes from another one, in the words of the columnLineage facet 1-2-0.

    Attributes:
        kind: DIRECT where values of the one come from values of the other, INDIRECT where they only depend on them.
        subtype: IDENTITY, TRANSFORMATION or AGGREGATION; JOIN, FILTER, GROUP_BY, SORT, WINDOW or CONDITIONAL.
        masking: whether the values cannot be read any more, as after a hash or a count.
    """

    kind: Kind
    subtype: str
    masking: bool = False


@dataclass(frozen=True, slots=True)
class InputField:
    """A column of an input, and all ways in which it is used for one output column, or for the whole output."""

    namespace: str
    name: str
    field: str
    transformations: tuple[Transformation, ...]


@dataclass(frozen=True, slots=True)
class ColumnLineage:
    """What a statement says of the columns of its output.

    Attributes:
        fields: by output column, what it is made of and what it depends on; nothing, as of a constant, is told too.
        whole: what all rows depend on: joins, filters, groups and orders.
        unresolved: what could not be told, one sentence each; nothing is guessed instead.
        unparsed: why nothing at all is known; None where the SQL was understood.
        passing: whether that is no fault of the SQL, such as a machine that has no room: it may be read another time.
        tables: namespace and name of the inputs that the SQL reads, whether or not a column is taken. Events say
            themselves what a job reads: this is what the reading is held to, beside parsers that tell tables alone.
    """

    fields: Mapping[str, tuple[InputField, ...]] = field(default_factory=dict)
    whole: tuple[InputField, ...] = ()
    unresolved: tuple[str, ...] = ()
    unparsed: str | None = None
    passing: bool = False
    tables: tuple[tuple[str, str], ...] = ()
