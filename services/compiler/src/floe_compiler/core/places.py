"""Lines for problems that know only the field they speak of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from floe_contracts.errors import DocumentInvalid, FloeError
from floe_contracts.yaml_tree import Tree, read_tree


def with_lines(problems: Iterable[FloeError], texts: Mapping[str, str]) -> tuple[FloeError, ...]:
    """`problems`, those that name a field of one of `texts` with its line and column.

    Args:
        problems: each keeps its identity; its `where` is made complete.
        texts: the documents, by the file names that the problems use.
    """
    trees: dict[str, Tree | None] = {}
    placed = tuple(problems)
    for problem in placed:
        where = problem.where
        if where is None or where.file is None or where.path is None or where.line is not None:
            continue
        if where.file in texts and where.file not in trees:
            trees[where.file] = _tree(texts[where.file], where.file)
        tree = trees.get(where.file)
        if tree is not None:
            found = tree.where(tuple(int(part) if part.isdigit() else part for part in where.path.split(".")))
            problem.where = replace(where, line=found.line, column=found.column)
    return placed


def _tree(text: str, file: str) -> Tree | None:
    try:
        return read_tree(text, file)
    except DocumentInvalid:
        return None
