"""SQL that a dbt project wrote, carried over into a Cube model.

Columns become `{CUBE}.<column>`, so that joined cubes do not make them ambiguous, and are recorded, so that a member
inherits the policies of everything that it is computed from. What cannot be accounted for in that way (subqueries,
whole rows, columns by position, comments) is refused. A word that stands for nothing here is left as it is, unless a
warehouse could take it for something of a cube that is joined.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from floe_semantic.core.rendering.sql.bare_words import is_operand, is_unit
from floe_semantic.core.rendering.sql.dialects import DUCKDB, Dialect, column_name
from floe_semantic.core.rendering.untranslatable import Untranslatable
from floe_semantic.core.rendering.writing.cube_text import literal

_TOKEN: Final = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<comment>--|/\*)
  | (?P<text>'(?:[^']|'')*')
  | (?P<double>"(?:[^"]|"")*")
  | (?P<backtick>`(?:[^`]|``)+`)
  | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?!\w))
  | (?P<word>[^\W\d]\w*)
  | (?P<operator>::|->>?|<>|!=|<=|>=|\|\||[-+*/%(),.<>=:|&~^!\[\]])
    """,
    re.VERBOSE,
)
_ATOM: Final = re.compile(r"[\w.{}]+")
# Words that open a subquery or stand for many columns at once.
_REFUSED: Final = frozenset({"select", "with", "table", "pivot", "unpivot", "describe", "summarize", "show", "columns"})
_OPENING: Final = frozenset({"", "(", ",", "["})
_CLOSING: Final = frozenset({"", ")", ",", "]"})
_CLOSES: Final = {")": "(", "]": "["}
_SIGNS: Final = frozenset({"+", "-", "~", "!", "(", "["})
"""Operators that something may begin with."""


@dataclass(frozen=True, slots=True)
class Expression:
    """SQL as Cube takes it, and the columns (casefolded) that it reads."""

    sql: str
    columns: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Scope:
    """What the SQL of one model may speak of.

    Attributes:
        columns: the model's columns; casefolded -> as documented.
        relations: the names of all tables that may stand in a query, which mean their whole rows there; as from
            `relation_key`.
        others: the casefolded columns of all models. A query may join them, so what is one of theirs and none of
            `columns` is taken for an undocumented column of this model.
        names: other names that mean something here -> what they mean.
        quoted: the columns whose names dbt quotes, as documented.
        dialect: the SQL that the model's warehouse speaks.
    """

    columns: Mapping[str, str]
    relations: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    names: Mapping[str, Expression] = field(default_factory=dict)
    quoted: frozenset[str] = frozenset()
    dialect: Dialect = DUCKDB

    def column(self, name: str) -> Expression:
        """The column of that name in any case, documented or not."""
        spelled = self.columns.get(name.casefold(), name)
        return self._reference(spelled, as_spelled=spelled in self.quoted)

    def quoted_column(self, name: str) -> Expression:
        """The column whose name somebody quoted."""
        if self.dialect.spelled:
            return self._reference(name, as_spelled=True)
        return self.column(name)

    def _reference(self, name: str, *, as_spelled: bool) -> Expression:
        sql = column_name(name, self.dialect, as_spelled=as_spelled)
        return Expression("{CUBE}." + literal(sql), frozenset({name.casefold()}))


def relation_key(name: str) -> str:
    """`name` without what Cube and the warehouses change about the names of tables: case and underscores."""
    return name.replace("_", "").casefold()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def translate(sql: str, scope: Scope) -> Expression:
    """Carry over an SQL expression.

    Raises:
        Untranslatable: it holds something that cannot be carried over; nothing of it must be used.
    """
    tokens = _tokens(sql, scope.dialect)
    significant = [token for token in tokens if token.kind != "space"]
    if not significant:
        raise Untranslatable("an empty SQL expression")
    if len(significant) == 1 and significant[0].kind in {"word", "quoted"}:
        return _single(significant[0], scope)
    _check_whole(significant, sql)
    parts: list[str] = []
    columns: set[str] = set()
    position = -1
    for token in tokens:
        if token.kind == "space":
            parts.append(" ")
            continue
        position += 1
        carried = _carry(significant, position, scope)
        parts.append(carried.sql)
        columns |= carried.columns
    return Expression("".join(parts).strip(), frozenset(columns))


def _tokens(sql: str, dialect: Dialect) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    while position < len(sql):
        match = _TOKEN.match(sql, position)
        kind = _kind(match.lastgroup or "", dialect) if match is not None else None
        if match is None or kind is None or match.group(0) == '""':
            raise Untranslatable(f"SQL with {sql[position]!r} in it: {_excerpt(sql)}")
        if kind == "text" and tokens and tokens[-1].kind == "word":
            raise Untranslatable(f"SQL with a prefixed string in it: {_excerpt(sql)}")
        if kind == "text" and dialect.escapes and "\\" in match.group(0):
            # Where the string ends depends on how the warehouse reads escapes.
            raise Untranslatable(f"SQL with a backslash in a string: {_excerpt(sql)}")
        tokens.append(_Token(kind, match.group(0)))
        position = match.end()
    return tokens


def _check_whole(tokens: list[_Token], sql: str) -> None:
    """Refuse what is no expression by itself: Cube would take it, and each query with it would fail.

    Beyond its own parentheses it would also change what Cube writes around it.
    """
    opened: list[str] = []
    before = ""
    for token in [*tokens, _Token("end", "")]:
        word = token.text.lower() if token.kind == "word" else ""
        if token.text in {"(", "["} or word == "case":
            opened.append(token.text)
        elif word == "end" and opened and opened[-1].lower() == "case":
            opened.pop()
        elif token.text in _CLOSES:
            if not opened or opened[-1] != _CLOSES[token.text]:
                wrong = f"{opened[-1]!r} that nothing closes" if opened else f"{token.text!r} too many"
                raise Untranslatable(f"SQL with a {wrong}: {_excerpt(sql)}")
            opened.pop()
        if not _may_follow(before, token):
            raise Untranslatable(f"SQL that lacks something beside {before or token.text!r}: {_excerpt(sql)}")
        before = token.text if token.kind in {"operator", "end"} else "operand"
    if opened:
        raise Untranslatable(f"SQL with a {opened[-1]!r} that nothing closes: {_excerpt(sql)}")


def _may_follow(before: str, token: _Token) -> bool:
    """Whether a token may stand after an operator (empty at the beginning), or after `operand`."""
    closes = token.text in _CLOSING and token.kind in {"operator", "end"}
    if closes:
        empty = _CLOSES.get(token.text) == before
        return empty or before in {"operand", ")", "]"} or (before, token.text) == (":", "]")
    if before in _OPENING and token.kind == "operator":
        return token.text in _SIGNS or token.text in {"*", ":"}
    return True


def _kind(group: str, dialect: Dialect) -> str | None:
    """What a token is in that dialect; None if nothing that can be accounted for."""
    if group == "comment":
        return None
    if group == "backtick":
        return "quoted" if dialect.quote == "`" else None
    if group == "double":
        return {True: "text", False: "quoted", None: None}[dialect.double_quoted_text]
    return group


def _single(token: _Token, scope: Scope) -> Expression:
    name = _name(token)
    if token.kind == "quoted":
        return scope.quoted_column(name)
    if name in scope.names:
        return scope.names[name]
    if name.lower() in {"true", "false", "null"}:
        return Expression(name)
    return scope.column(name)


def _carry(tokens: list[_Token], position: int, scope: Scope) -> Expression:
    token = tokens[position]
    before = tokens[position - 1].text if position else ""
    after = tokens[position + 1].text if position + 1 < len(tokens) else ""
    if token.text == "*" and before in _OPENING:
        raise Untranslatable("SQL that speaks of all columns at once")
    if token.kind not in {"word", "quoted"} or before == ".":
        return Expression(literal(token.text))
    name = _name(token)
    if token.kind == "word":
        if name in scope.names:
            inner = scope.names[name]
            return Expression(inner.sql if _ATOM.fullmatch(inner.sql) else f"({inner.sql})", inner.columns)
        if name.lower() in _REFUSED or (name.lower() == "from" and before in _OPENING):
            raise Untranslatable(f"SQL with {name.upper()} in it")
        if after == "(":
            return Expression(name)
    if name.casefold() in scope.columns:
        return scope.quoted_column(name) if token.kind == "quoted" else scope.column(name)
    if after == ".":
        raise Untranslatable(f"a qualified name: {name}.")
    if token.kind == "quoted":
        return scope.quoted_column(name)
    extracted = position > 1 and before == "(" and tokens[position - 2].text.lower() == "extract"
    return Expression(name) if extracted or not is_operand(name, before, after) else _undocumented(name, scope)


def _undocumented(name: str, scope: Scope) -> Expression:
    if relation_key(name) in scope.relations:
        raise Untranslatable(f"SQL that speaks of the whole row: {name}")
    if name.casefold() not in scope.others:
        return Expression(name)
    if is_unit(name):
        raise Untranslatable(f"SQL with {name} in it, which is a column of another model")
    return scope.column(name)


def _name(token: _Token) -> str:
    if token.kind != "quoted":
        return token.text
    sign = token.text[0]
    return token.text[1:-1].replace(sign * 2, sign)


def _excerpt(sql: str) -> str:
    return repr(sql if len(sql) <= 60 else sql[:57] + "...")
