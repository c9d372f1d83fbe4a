"""External subscribers of the lineage stream: each has an account of its own on the bus, and one consumer there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from floe_contracts import subjects
from floe_contracts.errors import ContractError

DOMAIN: Final = "floe"
"""What clients in a subscriber's account name as the JetStream domain."""
API: Final = f"$JS.{DOMAIN}.API"
"""The prefix of JetStream's API there: `$JS.API` is that of an account's own JetStream, and it has none."""
_PREFIX: Final = "subscriber-"
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_PLACE: Final = ("tenant", "environment", "product")
_HINT: Final = "write name=tenant, name=tenant/environment or name=tenant/environment/product"


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Who reads, and what: all lineage of a tenant, or that of one environment or product of it.

    Raises:
        ContractError: the name cannot stand in the names of accounts and consumers.
    """

    name: str
    tenant: str
    environment: str | None = None
    product: str | None = None

    def __post_init__(self) -> None:
        consumer(self.name)

    @property
    def consumer(self) -> str:
        """Its consumer on the lineage stream."""
        return consumer(self.name)

    @property
    def filter(self) -> str:
        """The subjects that it reads."""
        return subjects.lineage_of_place(self.tenant, self.environment, self.product)


def consumer(name: str) -> str:
    """The consumer of the subscriber of that name.

    Raises:
        ContractError: not a name of a subscriber.
    """
    if not _NAME.fullmatch(name):
        raise ContractError(
            f"{name!r} is no name of a subscriber", hint="it begins with a-z and has a-z, 0-9 and -, 40 at most"
        )
    return _PREFIX + name


def is_subscribers(consumer_name: str) -> bool:
    """Whether a consumer belongs to an external subscriber."""
    return consumer_name.startswith(_PREFIX)


def read_subscribers(texts: Iterable[str]) -> tuple[Subscriber, ...]:
    """Read `name=tenant`, `name=tenant/environment` or `name=tenant/environment/product`, each of another name.

    Raises:
        ContractError: one is written otherwise, or two have the same name.
    """
    found: dict[str, Subscriber] = {}
    for text in texts:
        name, equals, place = text.partition("=")
        parts = place.split("/")
        if not equals or len(parts) > len(_PLACE) or not all(parts):
            raise ContractError(f"{text!r} does not say who subscribes to what", hint=_HINT)
        if name in found:
            raise ContractError(f"there are two subscribers {name!r}", hint="one consumer has one position: rename one")
        found[name] = Subscriber(name, **dict(zip(_PLACE, parts, strict=False)))
    return tuple(found.values())
