"""Listing the keys of a bucket."""

from __future__ import annotations

from nats.js.kv import KeyValue


async def keys_below(bucket: KeyValue, pattern: str) -> list[str]:
    """The keys that match `pattern` now, as a subject pattern (`pending.>`); deleted ones are left out."""
    watcher = await bucket.watch(pattern, ignore_deletes=True, meta_only=True)
    found = []
    try:
        async for entry in watcher:
            if entry is None:  # all that was there has come
                break
            found.append(entry.key)
    finally:
        await watcher.stop()
    return found
