"""What is live, in the bucket `floe_live_products`, written by compare-and-set."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue
from pydantic import ValidationError

from floe_chassis.key_values import entries_below
from floe_contracts.live_products import LiveProduct
from floe_contracts.openlineage.naming import Place
from floe_contracts.runs import place_key
from floe_contracts.subjects import escape
from floe_executor.errors import LiveProductChanged

log = structlog.get_logger(__name__)
_TRIES: Final = 8

Change = Callable[[LiveProduct | None], LiveProduct | None]
"""What is to be written in place of what stands there; None leaves it."""


@dataclass(frozen=True, slots=True)
class _Stored:
    product: LiveProduct
    revision: int


class LiveProducts:
    """The products that are live, or were until they were retired, in every environment."""

    def __init__(self, bucket: Callable[[], Awaitable[KeyValue]]) -> None:
        """Work on the bucket that `bucket` opens."""
        self._open = bucket

    async def find(self, place: Place) -> LiveProduct | None:
        """What is live at a place; None if nothing is, or the product is retired."""
        record = await self.record(place)
        return None if record is None or record.retired else record

    async def record(self, place: Place) -> LiveProduct | None:
        """What is or was live at a place."""
        stored = await self._read(place)
        return stored.product if stored else None

    async def live(
        self, *, tenant: str | None = None, environment: str | None = None, product: str | None = None
    ) -> tuple[LiveProduct, ...]:
        """All that is live, in the order of the keys; a name narrows it down.

        Raises:
            Unreachable: the bus does not answer.
        """
        pattern = ".".join("*" if name is None else escape(name) for name in (tenant, environment, product))
        return tuple(found for found in await self._list(pattern) if not found.retired)

    async def empty(self) -> bool:
        """Whether nothing was ever live, or the bucket was lost."""
        return bool((await (await self._open()).status()).values == 0)

    async def change(self, place: Place, change: Change) -> LiveProduct | None:
        """Write what `change` makes of the record of a place; asked again when somebody else was faster.

        Returns:
            What stands there now.

        Raises:
            LiveProductChanged: others were faster every time.
        """
        bucket = await self._open()
        for _ in range(_TRIES):
            stored = await self._read(place)
            before = stored.product if stored else None
            after = change(before)
            if after is None:
                return before
            content = after.model_dump_json(exclude_none=True).encode()
            try:
                if stored is None:
                    await bucket.create(place_key(place), content)
                else:
                    await bucket.update(place_key(place), content, last=stored.revision)
            except KeyWrongLastSequenceError:
                continue
            return after
        raise LiveProductChanged(f"what is live at {place} changes faster than it can be written")

    async def _read(self, place: Place) -> _Stored | None:
        try:
            entry = await (await self._open()).get(place_key(place))
        except KeyNotFoundError:
            return None
        return _Stored(_product(entry.value), entry.revision or 0)

    async def _list(self, pattern: str) -> list[LiveProduct]:
        found = []
        for entry in await entries_below(await self._open(), pattern):
            try:
                found.append(_product(entry.value))
            except ValidationError as error:  # one that a newer floe wrote must not hide the others
                log.warning("a live product cannot be read", key=entry.key, error=str(error))
        return sorted(found, key=lambda product: place_key(product.place))


def _product(content: bytes | None) -> LiveProduct:
    return LiveProduct.model_validate_json(content or b"", extra="ignore")
