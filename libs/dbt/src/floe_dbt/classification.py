"""What `meta.floe` of a dbt project says: the class of a column's data, who answers for a model, what Cube shows of it.

dbt takes any meta; floe takes only what is listed here, since a misspelt `classificaton: pii` would leave a column
open. Both places are read, `meta` and `config.meta`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, get_args

from floe_contracts.errors import FloeError, Where
from floe_contracts.nodes import CLASSIFICATIONS, Classification, Sensitivity
from floe_contracts.suggestions import meant_or_known
from floe_dbt.errors import DbtMetaProblem

_ENTRY: Final = "floe"


@dataclass(frozen=True, slots=True)
class _Rule:
    """What one key takes: in words, as a test, and the known values where there are any."""

    expected: str
    accepts: Callable[[Any], bool]
    known: tuple[str, ...] = ()


def _one_of(known: Sequence[str]) -> _Rule:
    return _Rule(f"one of {', '.join(known)}", lambda value: value in known, tuple(known))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


_TEXT: Final = _Rule("a text", _is_text)
_FLAG: Final = _Rule("true or false", lambda value: isinstance(value, bool))
_COLUMN_RULES: Final = {
    "pii_type": _TEXT,
    "sensitivity": _one_of(get_args(Sensitivity)),
    "row_owner": _FLAG,
}
_MAPPING: Final = _Rule("a mapping", lambda value: isinstance(value, Mapping))
_LIST: Final = _Rule("a list", lambda value: isinstance(value, list))
_NODE_RULES: Final = {"owner": _TEXT, "expose": _FLAG, "tier": _TEXT, "landing": _MAPPING, "measures": _LIST}


@dataclass(frozen=True, slots=True)
class ColumnMeta:
    """`meta.floe` of a column."""

    classification: Classification | None = None
    row_owner: bool = False


@dataclass(frozen=True, slots=True)
class NodeMeta:
    """`meta.floe` of a model, seed, snapshot or source."""

    owner: str | None = None
    expose: bool = False
    tier: str | None = None
    landing: Mapping[str, Any] | None = None
    measures: Sequence[Any] = ()


@dataclass(slots=True)
class MetaReader:
    """Reads the meta of one node and its columns, and collects what is wrong with it.

    Attributes:
        node: name of the node, for messages.
        file: the file that documents it.
        problems: everything refused so far.
        classifications: the names that a column may be classified by.
    """

    node: str
    file: str
    problems: list[FloeError] = field(default_factory=list)
    classifications: Sequence[str] = CLASSIFICATIONS

    def of_node(self, resource: Mapping[str, Any]) -> NodeMeta:
        """What the node's own entry says; what is wrong in it is left out."""
        return NodeMeta(**self._entry(resource, self.node, _NODE_RULES))

    def of_column(self, column: Mapping[str, Any]) -> ColumnMeta:
        """What a column's entry says; what is wrong in it is left out."""
        place = f"{self.node}.columns.{column['name']}"
        rules = {**_COLUMN_RULES, "classification": _one_of(self.classifications)}
        entry = self._entry(column, place, rules)
        row_owner = entry.pop("row_owner", False)
        if entry and "classification" not in entry:
            if not self._has_problem(place):
                what = ", ".join(sorted(entry))
                self._refuse(place, f"{what} without a classification", "add `classification:`")
            return ColumnMeta(row_owner=row_owner)
        return ColumnMeta(Classification(**entry) if entry else None, row_owner)

    def _entry(self, resource: Mapping[str, Any], place: str, rules: Mapping[str, _Rule]) -> dict[str, Any]:
        accepted: dict[str, Any] = {}
        for key, value in self._stated(resource, place):
            rule = rules.get(key)
            if rule is None:
                self._refuse(place, f"{key!r} is no key of meta.floe here", meant_or_known(key, rules))
            elif not rule.accepts(value):
                hint = meant_or_known(str(value), rule.known) if rule.known else None
                self._refuse(place, f"{key} is {value!r}, not {rule.expected}", hint, key)
            elif accepted.setdefault(key, value) != value:
                message = f"{key} is {accepted[key]!r} in config.meta, {value!r} in meta"
                self._refuse(place, message, "say it in one place", key)
        return accepted

    def _stated(self, resource: Mapping[str, Any], place: str) -> Iterator[tuple[str, Any]]:
        """Keys and values of both places, each different pair once; dbt copies one place into the other."""
        seen: list[tuple[str, Any]] = []
        for holder in ((resource.get("config") or {}).get("meta"), resource.get("meta")):
            entry = (holder or {}).get(_ENTRY, {})
            if not isinstance(entry, Mapping):
                self._refuse(place, f"meta.floe is {entry!r}, not a mapping")
                return
            for pair in entry.items():
                if pair not in seen:
                    seen.append(pair)
                    yield pair

    def _has_problem(self, place: str) -> bool:
        start = f"{place}.meta.floe"
        return any(problem.where and str(problem.where.path).startswith(start) for problem in self.problems)

    def _refuse(self, place: str, message: str, hint: str | None = None, key: str | None = None) -> None:
        path = f"{place}.meta.floe.{key}" if key else f"{place}.meta.floe"
        self.problems.append(DbtMetaProblem(f"{place}: {message}", where=Where(file=self.file, path=path), hint=hint))
