"""Names as a dialect understands them, and finding the table that one means."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect, NormalizationStrategy

from floe_lineage.core.columns.model import Table

_FOLDING = frozenset({NormalizationStrategy.LOWERCASE, NormalizationStrategy.UPPERCASE})


class Names:
    """Spells names as the dialect stores them."""

    def __init__(self, dialect: Dialect) -> None:
        """Begin with the rules of `dialect`."""
        self._rules = dialect
        self.dialect = type(dialect).__name__.lower()
        """What sqlglot calls it."""
        self.cased = dialect.normalization_strategy in _FOLDING
        """Whether names that differ in case alone may be different ones."""

    def spelled(self, identifier: exp.Expr | str | None) -> str:
        """The name as it is stored: folded where the dialect folds unquoted names, as it is written elsewhere."""
        if isinstance(identifier, exp.Identifier):
            return self._rules.normalize_identifier(identifier.copy()).name if self.cased else identifier.name
        return identifier if isinstance(identifier, str) else (identifier.name if identifier is not None else "")

    def key(self, name: str) -> str:
        """The same for names that one table cannot both have."""
        return name if self.cased else name.lower()

    def parts(self, table: exp.Table) -> tuple[str, ...]:
        """The parts of a table's name, the last one last."""
        return tuple(self.spelled(part) for part in table.parts)


def matching(tables: Sequence[Table], parts: Sequence[str]) -> list[int]:
    """Numbers of the tables that the name in SQL can mean; of those only the ones that fit best.

    One is the tail of the other, part by part; a whole name goes before a tail, and the same case before another.
    """
    ranked: dict[int, list[int]] = {}
    for number, table in enumerate(tables):
        rank = min(_rank(name, parts) for name in (table.name, *table.aliases))
        if rank < _NO_MATCH:
            ranked.setdefault(rank, []).append(number)
    return ranked[min(ranked)] if ranked else []


_NO_MATCH = 4


def _rank(name: str, parts: Sequence[str]) -> int:
    asked = ".".join(parts)
    for rank, (known, wanted) in enumerate(((name, asked), (name.lower(), asked.lower()))):
        if known == wanted:
            return rank
        if known.endswith((f".{wanted}", f"/{wanted}")) or wanted.endswith(f".{known}"):
            return rank + 2
    return _NO_MATCH
