"""Asking the semantic service of whichever stack there is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from floe_chassis.requests import ask
from floe_cli.run_records import read_live
from floe_cli.stack.connection import Connection
from floe_cli.stack.service_stack import service_in, stack_with
from floe_contracts.digests import short
from floe_contracts.errors import WrongUsage
from floe_contracts.requests import AnswerT, Operation, RequestT
from floe_contracts.semantic_requests import (
    LIST_SERVED,
    PREVIOUS,
    READ_BUNDLE,
    BundleFile,
    ListServed,
    ReadBundle,
    ServedProduct,
)
from floe_contracts.suggestions import meant_or_known

FOLDER: Final = "folder"
"""Stands for the bundle that the files in a folder would be rendered to."""
_EMBEDDED: Final = "dev"
_WORDS: Final = frozenset({"served", "wanted", "offered", PREVIOUS, FOLDER})


@dataclass(frozen=True, slots=True)
class Semantic:
    """The semantic service, asked about one environment."""

    connection: Connection
    environment: str

    async def ask(self, operation: Operation[RequestT, AnswerT], request: RequestT) -> AnswerT:
        """Ask.

        Raises:
            Unreachable: no semantic service answers.
            RequestRefused: it says that it cannot be done.
            RequestFailed: it says that it cannot be done at the moment.
        """
        tenant = self.connection.settings.tenant
        return await ask(self.connection.bus, operation, request, tenant=tenant, environment=self.environment)

    async def product(self, name: str | None) -> ServedProduct:
        """What is known of a product; left out, of the only one.

        Raises:
            WrongUsage: nothing was rendered here yet, or it is not clear which product is meant.
        """
        products = (await self.ask(LIST_SERVED, ListServed(product=name))).products
        if not products:
            raise WrongUsage(f"nothing was rendered for Cube in {self.environment} yet", hint="floe run does so")
        if len(products) > 1:
            names = ", ".join(product.product for product in products)
            raise WrongUsage("it is not clear which product is meant", hint=f"name one with -p: {names}")
        return products[0]

    async def bundle_texts(self, digest: str, product: str | None) -> tuple[str, dict[str, str]]:
        """Digest and files of a bundle, which is named by its digest, the start of one, or `previous`."""
        found = await self.ask(READ_BUNDLE, ReadBundle(product=product, bundle=digest))
        return found.bundle_digest, await self.texts_of(found.files)

    async def texts_of(self, files: Iterable[BundleFile]) -> dict[str, str]:
        """Path -> text."""
        blobs = self.connection.blobs()
        return {file.path: (await blobs.get(file.digest)).decode() for file in files}


@asynccontextmanager
async def semantic_of(path: Path, environment: str | None) -> AsyncIterator[Semantic]:
    """The semantic service of a folder's stack; without a running stack, one is started for as long as it takes.

    Args:
        path: the folder.
        environment: which one is asked about; left out, `dev`, or the only one where something is live.

    Raises:
        Unreachable: the bus is not there, or nothing has run in the folder yet.
        WrongUsage: it is not clear which environment is meant.
    """
    async with service_in(path, "semantic", environment) as (connection, name):
        yield Semantic(connection, name)


async def served_everywhere(
    path: Path, environment: str | None, product: str | None
) -> list[tuple[str, ServedProduct]]:
    """Every product with its environment; left out, in all environments where something is live.

    Raises:
        WrongUsage: nothing is known of the product or the environment that is asked for.
    """
    async with stack_with(path, "semantic") as connection:
        live = {one.environment for one in await read_live(connection)}
        found = []
        for name in [environment] if environment else sorted(live or {_EMBEDDED}):
            answer = await Semantic(connection, name).ask(LIST_SERVED, ListServed())
            found += [(name, one) for one in answer.products]
    if environment and live and environment not in live and not found:
        raise WrongUsage(f"nothing is live in {environment!r}", hint=meant_or_known(environment, live))
    if product is None:
        return found
    own = [(name, one) for name, one in found if one.product == product]
    if not own:
        known = {one.product for _, one in found}
        raise WrongUsage(f"nothing was rendered of {product!r}", hint=meant_or_known(product, known))
    return own


def bundle_named(name: str, product: ServedProduct) -> str:
    """The digest that `served`, `wanted` or `offered` stands for; `previous` and digests stay as they are.

    Raises:
        WrongUsage: there is no such bundle.
    """
    bundles = {"served": product.served, "wanted": product.wanted, "offered": product.offered}
    if name not in bundles:
        return name
    found = bundles[name]
    if found is None:
        raise WrongUsage(
            f"there is no bundle of {product.product} that is {name}", hint="floe semantic status shows which are"
        )
    return found.bundle_digest


def shown_name(name: str, digest: str) -> str:
    """How a bundle is called before its files in a diff."""
    return f"{name} {short(digest)}" if name in _WORDS else short(digest)
