"""What a commit says of its products before they are compiled: their names and sizes, and who has a name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from floe_compiler.core.git.changes import chosen
from floe_compiler.core.git.errors import LargeFileRefused, ProductOwned, ProductTooLarge, ProductTwice
from floe_compiler.core.git.state import CompiledProduct
from floe_compiler.core.git.tree import SPEC_FILE, TreeEntry, shown
from floe_contracts.dialects.glimpses import glimpse_product
from floe_contracts.documents.yaml_tree import read_tree
from floe_contracts.errors import DocumentInvalid, FloeError, Where


def product_name(floe_yaml: str) -> str | None:
    """The name that a floe.yaml gives its product, also when much else in it is wrong; None if it gives none."""
    return glimpse_product(_document(floe_yaml, "floe.yaml"))


def stand_in_name(folder: str, repository: str) -> str:
    """What a product is called whose floe.yaml cannot be read: as its folder is, or its repository."""
    return shown(PurePosixPath(folder or repository).name)


def winners(names: Mapping[str, str], known: Iterable[CompiledProduct]) -> Mapping[str, str]:
    """Name -> the folder that is compiled under it; `names` is folder -> name."""
    claims: dict[str, list[str]] = {}
    for folder, name in names.items():
        claims.setdefault(name, []).append(folder)
    remembered = tuple(known)
    return {name: chosen(name, folders, remembered) for name, folders in claims.items()}


def check_sizes(files: Iterable[TreeEntry], sizes: Mapping[str, int], most_each: int, most: int) -> list[FloeError]:
    """What is over the limits of a source bundle, in bytes."""
    problems: list[FloeError] = []
    total = 0
    hint = "data belongs into a table or a bucket, not into the project"
    for file in files:
        size = sizes[file.oid]
        total += size
        if size > most_each:
            text = f"the file has {size} bytes, {most_each} at most"
            problems.append(ProductTooLarge(text, where=Where(shown(file.path)), hint=hint))
        elif total - size <= most < total:
            text = f"up to this file the folder has {total} bytes, {most} at most"
            problems.append(ProductTooLarge(text, where=Where(shown(file.path)), hint=hint))
    return problems


def pointers_refused(paths: Iterable[str]) -> list[FloeError]:
    """Files that Git LFS keeps elsewhere."""
    hint = "put the file itself there; data belongs into a table or a bucket"
    return [
        LargeFileRefused("the file is kept by Git LFS, which is not fetched", where=Where(shown(path)), hint=hint)
        for path in paths
    ]


def owned_elsewhere(product: str, owner: str) -> ProductOwned:
    """The refusal of a product whose name is another repository's."""
    return ProductOwned(
        f"the product {product!r} belongs to {owner}",
        where=Where(SPEC_FILE, path="metadata.name"),
        hint="give the product another name, or retire it there first",
    )


def twice(product: str, folder: str) -> ProductTwice:
    """The refusal of a product that another folder of the repository holds already."""
    return ProductTwice(
        f"the product {product!r} is also in the folder {shown(folder) or '.'}",
        where=Where(SPEC_FILE, path="metadata.name"),
        hint="give one of the two another name",
    )


def _document(text: str, file: str) -> dict[str, Any]:
    try:
        value = read_tree(text, file).value
    except DocumentInvalid:
        return {}
    return value if isinstance(value, dict) else {}
