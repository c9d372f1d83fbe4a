"""Where the past of tables is kept: in their own metadata, as Iceberg has it, or by the catalog in a way of its own."""

from __future__ import annotations

from pyiceberg.catalog import Catalog

from floe_lakehouse.catalog_kinds.rest_client import RestClient


def why_not_ours(catalog: Catalog) -> str | None:
    """Why floe can neither name nor remove what is past in a catalog, in a sentence; None if it can.

    Where the catalog keeps the past, metadata of tables do not name all files that are still needed, and tags and
    branches that are put into them are forgotten without a word.
    """
    if isinstance(catalog, RestClient) and catalog.past_is_elsewhere:
        return "this catalog keeps the past of tables in commits of its own, so only its own tools reach that"
    return None
