"""The name of a product's DuckDB database: the stem of its file, and the first part of every relation name."""

from __future__ import annotations


def database_name(product: str) -> str:
    """The database of a product; the same at parse and at run, so that a manifest holds for both."""
    return product.replace("-", "_")
