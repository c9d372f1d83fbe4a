"""What the files in a folder would be rendered to: compiled as a dry run, and offered to nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from floe_chassis.errors import RequestRefused
from floe_cli.environments import choose_environment
from floe_cli.errors import DraftRefused
from floe_cli.follow.session import plan_product
from floe_cli.products import Product
from floe_cli.semantic.asking import Semantic
from floe_cli.stack.any_stack import any_stack
from floe_contracts.semantic_requests import RENDER_BUNDLE, BundleRendered, RenderBundle

_NEEDED = ("compiler", "semantic")


@asynccontextmanager
async def drafting(product: Product, environment: str | None) -> AsyncIterator[Semantic]:
    """A semantic service with a compiler beside it, in an environment of the product.

    Raises:
        WrongUsage: there is no such environment, or it is not clear which one is meant.
        Unreachable: the configured bus is not there.
    """
    chosen = choose_environment(product, environment)
    async with any_stack(product.folder, _NEEDED, asked=True) as connection:
        yield Semantic(connection, chosen)


async def draft(semantic: Semantic, product: Product) -> tuple[BundleRendered, dict[str, str]]:
    """The bundle of the product as it stands in its folder, and its files.

    Raises:
        DraftRefused: it cannot be compiled, or not be rendered.
    """
    progress = await plan_product(semantic.connection, product, None)
    if progress.planned is None:
        raise DraftRefused(progress.rejected.problems if progress.rejected else ())
    request = RenderBundle(artifact_digest=progress.planned.artifact_digest)
    try:
        rendered = await semantic.ask(RENDER_BUNDLE, request)
    except RequestRefused as error:
        raise DraftRefused([error.problem]) from error
    return rendered, await semantic.texts_of(rendered.files)
