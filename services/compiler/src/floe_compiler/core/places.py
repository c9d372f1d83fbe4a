"""The places of problems, as people know them: with lines, and from the product's folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final

from floe_compiler.core.ports import CheckedOut
from floe_contracts.documents.placed import Placed
from floe_contracts.documents.reading import read_floe_tree
from floe_contracts.documents.yaml_tree import read_tree
from floe_contracts.errors import DocumentInvalid, FloeError, Permanent

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


def problems_of(refusal: Permanent) -> tuple[FloeError, ...]:
    """The problems that a refusal holds, or itself."""
    return refusal.problems if isinstance(refusal, DocumentInvalid) else (refusal,)


@contextmanager
def placed_on_lines(checked_out: CheckedOut, platform: Placed | None = None) -> Iterator[None]:
    """Problems that know only their field get its line; `platform` is the document with all that it inherits."""
    texts = {"floe.yaml": checked_out.floe_yaml or "", "platform.yaml": checked_out.platform_yaml}
    try:
        yield
    except Permanent as refusal:
        with_lines(problems_of(refusal), texts, {"platform.yaml": platform} if platform else {})
        raise


@contextmanager
def placed_in(folder: str) -> Iterator[None]:
    """Dbt names files from its project's folder; people know them from the product's."""
    try:
        yield
    except Permanent as refusal:
        for problem in problems_of(refusal):
            if problem.where is not None and problem.where.file is not None:
                file = (PurePosixPath(folder) / problem.where.file).as_posix()
                problem.where = replace(problem.where, file=file)
        raise


def _tree(text: str, file: str) -> Placed | None:
    for read in (read_floe_tree, read_tree) if file == _SPEC_FILE else (read_tree,):
        with contextlib.suppress(DocumentInvalid):
            return read(text, file)
    return None
