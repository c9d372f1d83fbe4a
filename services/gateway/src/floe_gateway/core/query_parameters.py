"""The parameters of a request's query: those that an endpoint knows, and no others."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from floe_contracts.errors import Where
from floe_contracts.suggestions import meant_or_known
from floe_gateway.errors import RequestInvalid


class QueryParameters:
    """What stands in a query. A parameter that nobody knows is refused: a filter with a typo would let all through.

    Args:
        items: names and values, in their order.
        known: the names that there are.

    Raises:
        RequestInvalid: another one is named, or a value is empty.
    """

    def __init__(self, items: Iterable[tuple[str, str]], known: Collection[str]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in items:
            if name not in known:
                raise invalid(name, "is not known here", meant_or_known(name, known))
            if not value:
                raise invalid(name, "has no value", "leave it out, or name something")
            self._values.setdefault(name, []).append(value)

    def all(self, name: str) -> tuple[str, ...]:
        """The values of a parameter that may be repeated, each once."""
        return tuple(dict.fromkeys(self._values.get(name, ())))

    def one(self, name: str) -> str | None:
        """The value of a parameter that may not be.

        Raises:
            RequestInvalid: it is.
        """
        values = self._values.get(name, [])
        if len(values) > 1:
            raise invalid(name, "stands there more than once", "name it once")
        return values[0] if values else None


def invalid(parameter: str, wrong: str, hint: str | None = None) -> RequestInvalid:
    """The refusal of a parameter."""
    return RequestInvalid(f"the parameter {parameter} {wrong}", where=Where(path=parameter), hint=hint)
