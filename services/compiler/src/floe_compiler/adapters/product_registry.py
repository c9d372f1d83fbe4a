"""What the compiler remembers of repositories, in the bucket `floe_products`, written by compare-and-set."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from floe_chassis.key_values import keys_below
from floe_compiler.core.git.errors import StateChanged
from floe_compiler.core.git.ports import StoredRef
from floe_compiler.core.git.state import ProductOwner, RefState, owner_key, ref_key, refs_pattern


class ProductRegistry:
    """Fulfils `Registry`."""

    def __init__(self, bucket: Callable[[], Awaitable[KeyValue]]) -> None:
        """Work on the bucket that `bucket` opens."""
        self._open = bucket

    async def ref_state(self, tenant: str, repository: str, ref: str) -> StoredRef:
        bucket = await self._open()
        try:
            entry = await bucket.get(ref_key(tenant, repository, ref))
        except KeyNotFoundError:
            return StoredRef(RefState(repository=repository, ref=ref), 0)
        return StoredRef(RefState.read(json.loads(entry.value or b"")), entry.revision or 0)

    async def save(self, tenant: str, stored: StoredRef, state: RefState) -> StoredRef:
        key = ref_key(tenant, state.repository, state.ref)
        bucket = await self._open()
        try:
            revision = await bucket.update(key, state.model_dump_json().encode(), last=stored.revision)
        except KeyWrongLastSequenceError as error:
            raise StateChanged(f"{state.ref} of {state.repository} was compiled by another worker meanwhile") from error
        return StoredRef(state, revision)

    async def other_refs(self, tenant: str, repository: str, ref: str) -> tuple[RefState, ...]:
        bucket = await self._open()
        own = ref_key(tenant, repository, ref)
        keys = [key for key in await keys_below(bucket, refs_pattern(tenant, repository)) if key != own]
        entries = [await bucket.get(key) for key in keys]
        return tuple(RefState.read(json.loads(entry.value or b"")) for entry in entries)

    async def owner(self, tenant: str, product: str) -> str | None:
        try:
            entry = await (await self._open()).get(owner_key(tenant, product))
        except KeyNotFoundError:
            return None
        return ProductOwner.read(json.loads(entry.value or b"")).repository

    async def claim(self, tenant: str, product: str, repository: str) -> str:
        owner = await self.owner(tenant, product)
        if owner is not None:
            return owner
        mine = ProductOwner(tenant=tenant, product=product, repository=repository)
        try:
            await (await self._open()).create(owner_key(tenant, product), mine.model_dump_json().encode())
        except KeyWrongLastSequenceError as error:
            raise StateChanged(f"{product!r} was claimed by another worker meanwhile") from error
        return repository

    async def release(self, tenant: str, product: str, repository: str) -> None:
        bucket = await self._open()
        key = owner_key(tenant, product)
        try:
            entry = await bucket.get(key)
        except KeyNotFoundError:
            return
        if ProductOwner.read(json.loads(entry.value or b"")).repository != repository:
            return
        try:
            await bucket.delete(key, last=entry.revision)
        except KeyWrongLastSequenceError as error:
            raise StateChanged(f"the owner of {product!r} was changed by another worker meanwhile") from error
