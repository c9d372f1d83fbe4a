"""Which products of a commit are compiled, and which are gone: the commit's folders beside what is remembered."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from floe_compiler.core.git.state import CompiledProduct, RefState
from floe_compiler.core.git.tree import ProductFolder


class Gone(StrEnum):
    """Why a product is no longer on a ref."""

    REMOVED = "removed"
    RENAMED = "renamed"
    REF_DELETED = "ref-deleted"


@dataclass(frozen=True, slots=True)
class Head:
    """What a ref points to now.

    Attributes:
        platform: digest of the platform of the installation, if it has its own.
        files: path -> object id of every regular file.
    """

    commit: str
    platform: str | None
    folders: tuple[ProductFolder, ...]
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Retirement:
    """A product that the ref no longer has."""

    product: CompiledProduct
    reason: Gone


def changed(state: RefState, head: Head) -> tuple[ProductFolder, ...]:
    """The folders that are to be compiled, in their order.

    A product that was refused is tried again with every new commit: what it was refused for may lie outside of it.
    """
    return tuple(folder for folder in head.folders if not _is_current(state.at(folder.path), folder, head))


def gone(state: RefState, names: Collection[str], folders: Collection[str]) -> tuple[Retirement, ...]:
    """The products of `state` whose names are not on the ref any more; one that only moved is not among them.

    Args:
        state: what is remembered, with nothing of the new commit in it.
        names: of the products that the ref has now.
        folders: of the products that the ref has now.
    """
    return tuple(
        Retirement(product, Gone.RENAMED if product.folder in folders else Gone.REMOVED)
        for product in _by_name(state.products)
        if product.product not in names
    )


def all_gone(state: RefState) -> tuple[Retirement, ...]:
    """The products of a ref that was deleted."""
    return tuple(Retirement(product, Gone.REF_DELETED) for product in _by_name(state.products))


def chosen(product: str, folders: Sequence[str], known: Iterable[CompiledProduct]) -> str:
    """The folder that a product is compiled from when several claim its name: where it was, else the first."""
    before = {item.folder for item in known if item.product == product and item.owned}
    return next((folder for folder in sorted(folders) if folder in before), min(folders))


def _is_current(known: CompiledProduct | None, folder: ProductFolder, head: Head) -> bool:
    if known is None or known.tree != folder.tree or known.platform != head.platform:
        return False
    if any(head.files.get(path, "") != oid for path, oid in known.files.items()):
        return False
    return not known.rejected or known.commit == head.commit


def _by_name(products: Iterable[CompiledProduct]) -> list[CompiledProduct]:
    """One of each name: the one that has the name, where two folders claimed it."""
    found: dict[str, CompiledProduct] = {}
    for product in products:
        if product.product not in found or product.owned:
            found[product.product] = product
    return [found[name] for name in sorted(found)]
