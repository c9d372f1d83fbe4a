"""Choosing the environment of a command."""

from __future__ import annotations

from floe_cli.products import Product
from floe_contracts.errors import WrongUsage
from floe_contracts.suggestions import did_you_mean


def choose_environment(product: Product, asked: str | None) -> str:
    """The environment that was asked for; else `dev`; else the only one.

    Raises:
        WrongUsage: there is no such environment, or it is not clear which one is meant.
    """
    known = sorted(product.platform.environments)
    if asked is None:
        if "dev" in known:
            return "dev"
        if len(known) == 1:
            return known[0]
        raise WrongUsage("platform.yaml has no environment dev", hint=f"name one with -e: {', '.join(known)}")
    if asked not in known:
        hint = did_you_mean(asked, known) or f"platform.yaml has: {', '.join(known)}"
        raise WrongUsage(f"there is no environment {asked!r}", hint=hint)
    return asked
