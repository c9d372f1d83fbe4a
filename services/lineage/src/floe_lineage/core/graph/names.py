"""Which dataset or job a person means."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

from floe_contracts.lineage_requests import NodeKind
from floe_contracts.lineage_states import LineageState
from floe_contracts.suggestions import did_you_mean
from floe_lineage.core.graph.facts import LANDING
from floe_lineage.errors import NameAmbiguous, NameUnknown

_SHOWN: Final = 5
_SEPARATORS: Final = re.compile(r"[./ ]")
_LANDED: Final = "iceberg://"
_MOST_COMPARED: Final = 5_000
"""So many names are compared for a hint; a person waits for it."""


class NameIndex:
    """Finds names by their last parts."""

    def __init__(self) -> None:
        self._by_last: dict[str, list[str]] = {}

    def add(self, identity: str, state: LineageState) -> None:
        """Take a name that is new."""
        self._by_last.setdefault(_last(state.name), []).append(identity)

    def called(self, name: str) -> Iterable[str]:
        """Ids of those whose names end in the same part as `name`."""
        return self._by_last.get(_last(name), ())

    def lasts(self, shown: Callable[[str], bool]) -> Iterator[str]:
        """The last parts of the names of those whose ids are `shown`."""
        return (last for last, identities in self._by_last.items() if any(map(shown, identities)))


def find_named(
    kind: NodeKind,
    name: str,
    index: NameIndex,
    states: Mapping[str, LineageState],
    shown: Callable[[LineageState], bool],
) -> str:
    """The id of the dataset or job that is called `name`, `<namespace> <name>`, or whose name alone ends so.

    Where a relation and the Iceberg table that was made of it end so, the table is meant; of the jobs of a table, the
    one that makes it and not the one that lands it.

    Args:
        kind: what is looked for.
        name: as a person gave it.
        index: of the names.
        states: what is known, by id.
        shown: whether one is to be found at all.

    Raises:
        NameUnknown: none is called so.
        NameAmbiguous: several are.
    """
    candidates = [state for each in index.called(name) if shown(state := states[each])]
    for fits in (_is, _is_whole, _ends, _is_nearly, _ends_nearly):
        found = [each for each in candidates if fits(each, name)]
        if len(found) > 1:
            found = [each for each in found if _is_preferred(each)] or found
        if len(found) > 1:
            names = ", ".join(sorted(f"{each.namespace} {each.name}" for each in found)[:_SHOWN])
            raise NameAmbiguous(f"several {kind}s are called {name!r}: {names}", hint="name more of it")
        if found:
            return found[0].id
    lasts = islice(index.lasts(lambda each: shown(states[each])), _MOST_COMPARED)
    raise NameUnknown(
        f"no {kind} {name!r} is known", hint=did_you_mean(_last(name), lasts) or "floe lineage tail shows what is told"
    )


def _last(name: str) -> str:
    """The last part of a name, upper and lower case aside."""
    return _SEPARATORS.split(name)[-1].casefold()


def _is(state: LineageState, wanted: str) -> bool:
    return state.name == wanted


def _is_whole(state: LineageState, wanted: str) -> bool:
    return f"{state.namespace} {state.name}" == wanted


def _ends(state: LineageState, wanted: str) -> bool:
    return state.name.endswith((f".{wanted}", f"/{wanted}"))


def _is_nearly(state: LineageState, wanted: str) -> bool:
    return state.name.casefold() == wanted.casefold()


def _ends_nearly(state: LineageState, wanted: str) -> bool:
    return state.name.casefold().endswith((f".{wanted.casefold()}", f"/{wanted.casefold()}"))


def _is_preferred(state: LineageState) -> bool:
    return state.namespace.startswith(_LANDED) if state.kind == "dataset" else state.type != LANDING
