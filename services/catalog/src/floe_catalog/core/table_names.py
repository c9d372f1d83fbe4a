"""Which table a person means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from floe_catalog.errors import TableAmbiguous, TableUnknown
from floe_contracts.openlineage.naming import Place
from floe_contracts.suggestions import did_you_mean

_SHOWN = 5


@dataclass(frozen=True, slots=True, order=True)
class NamedTable:
    """A table by its name: the identifier, dotted, and whose table it is."""

    identifier: str
    place: Place


def find_named(tables: Iterable[NamedTable], name: str) -> NamedTable:
    """The table whose identifier is `name`, or the only one whose identifier ends with it, level by level.

    Raises:
        TableUnknown: no table is called so.
        TableAmbiguous: several are.
    """
    known = sorted(tables, key=lambda table: table.identifier)
    found = [table for table in known if table.identifier == name] or [
        table for table in known if table.identifier.endswith(f".{name}")
    ]
    if not found:
        levels = name.count(".") + 1
        tails = [".".join(table.identifier.split(".")[-levels:]) for table in known]
        hint = did_you_mean(name, tails) or "floe catalog tables shows what there is"
        raise TableUnknown(f"there is no table {name!r}", hint=hint)
    if len(found) > 1:
        names = ", ".join(table.identifier for table in found[:_SHOWN])
        raise TableAmbiguous(f"several tables are called {name!r}: {names}", hint="name more of the levels")
    return found[0]
