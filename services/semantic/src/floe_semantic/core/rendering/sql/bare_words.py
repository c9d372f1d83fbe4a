"""Bare words of SQL: which of them a warehouse may take for a column or a table, and which are grammar."""

from __future__ import annotations

from typing import Final

from floe_semantic.core.rendering.sql.identifiers import words

# What no supported warehouse takes for a column unless it is quoted.
_RESERVED: Final = words(
    "all and any array as asc between both by case cast collate current_date current_time current_timestamp desc "
    "distinct else end escape except exists false filter for from group having ilike in intersect interval into is "
    "isnull leading like limit localtime localtimestamp not notnull null on or order over partition placing qualify "
    "select similar some symmetric then trailing true union unnest using when where window with within"
)
# What stands behind one of these is the name of a type, a zone, a bound, ...
_BEFORE_GRAMMAR: Final = words("as at time double character collate current unbounded nulls without")
_UNITS: Final = words(
    "century centuries day days dayofweek dayofyear decade decades dow doy epoch hour hours isodow isoweek isoyear "
    "microsecond microseconds millennium millisecond milliseconds minute minutes month months quarter quarters second "
    "seconds timezone week weekday weeks year years"
)


def is_operand(word: str, before: str, after: str) -> bool:
    """Whether `word` may be read as a column or a table; in doubt it is.

    Args:
        word: without quotes, and no name of a function.
        before: the token before it, empty at the start.
        after: the token behind it, empty at the end.
    """
    if word.lower() in _RESERVED or after.startswith("'"):
        return False
    ends_a_value = before[-1:] in {")", "]", "'"} or before[:1].isdigit()
    return not ends_a_value and before != "::" and before.lower() not in _BEFORE_GRAMMAR


def is_unit(word: str) -> bool:
    """Whether `word` may be the unit of a span of time."""
    return word.lower() in _UNITS
