"""Whose row a row is: rows are served only to callers whose claim equals the row owner column."""

from __future__ import annotations

from floe_contracts.artifacts import CompiledRowOwner
from floe_contracts.nodes import Node
from floe_semantic.core.rendering.untranslatable import Untranslatable


def owner_column(node: Node, row_owner: CompiledRowOwner | None) -> str | None:
    """The column that names the owner of `node`'s rows: the one marked `row_owner`, or else the product's.

    Args:
        node: a served model.
        row_owner: the product's rule; None if its rows have no owners.

    Returns:
        The column as documented, None if rows have no owners.

    Raises:
        Untranslatable: rows have owners, but it cannot be said which; the model must not be served then.
    """
    marked = [column.name for column in node.columns if column.row_owner]
    if row_owner is None:
        if marked:
            raise Untranslatable(f"column {marked[0]} is marked as row owner, and floe.yaml names no claim for it")
        return None
    if len(marked) > 1:
        raise Untranslatable(f"several columns are marked as row owner: {', '.join(marked)}")
    if marked:
        return marked[0]
    wanted = row_owner.column.casefold()
    found = next((column.name for column in node.columns if column.name.casefold() == wanted), None)
    if found is None:
        raise Untranslatable(f"rows have owners, and the model documents no column {row_owner.column}")
    return found
