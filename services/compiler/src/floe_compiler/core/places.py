"""Lines for problems that know only the field they speak of."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from floe_contracts.documents import read_floe_tree
from floe_contracts.errors import DocumentInvalid, FloeError
from floe_contracts.placed import Placed
from floe_contracts.yaml_tree import read_tree

_SPEC_FILE: Final = "floe.yaml"


def with_lines(
    problems: Iterable[FloeError], texts: Mapping[str, str], read: Mapping[str, Placed] | None = None
) -> tuple[FloeError, ...]:
    """`problems`, those that name a field of one of `texts` with its line and column.

    Args:
        problems: each keeps its identity; its `where` is made complete.
        texts: the documents, by the file names that the problems use.
        read: those of them that were read already; a value of theirs may stand in another file.
    """
    trees: dict[str, Placed | None] = dict(read or {})
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
            # In a document of an older form the field has another path.
            path = found.path or where.path
            problem.where = replace(where, file=found.file, line=found.line, column=found.column, path=path)
    return placed


def _tree(text: str, file: str) -> Placed | None:
    for read in (read_floe_tree, read_tree) if file == _SPEC_FILE else (read_tree,):
        with contextlib.suppress(DocumentInvalid):
            return read(text, file)
    return None
