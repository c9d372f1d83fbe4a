"""Listing what a bucket holds, and forgetting it."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from nats.errors import Error as NatsError
from nats.js.api import Header
from nats.js.errors import APIError, KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KV_OP, KV_PURGE, MSG_ROLLUP_SUBJECT, KeyValue

from floe_contracts.errors import Unreachable

_SECONDS: Final = 30.0
_REQUEST_SECONDS: Final = 5.0
_AT_ONCE: Final = 64
_MARKER_SECONDS: Final = 60.0
_WRONG_LAST_SEQUENCE: Final = (10071, 10164)
"""Codes of nats-server for a message behind another one than it names."""


async def entries_below(bucket: KeyValue, pattern: str) -> list[KeyValue.Entry]:
    """The entries whose keys match `pattern` now, as a subject pattern (`pending.>`), by key; without deleted ones.

    The stream is asked for its subjects, then each for its value. A consumer, which `watch` of nats-py makes, misses
    keys that are written to meanwhile: what it says is left to read comes down before the new message is counted.

    Raises:
        Unreachable: the bus does not tell them all in time.
    """
    try:
        async with asyncio.timeout(_SECONDS):
            keys = await _keys(bucket, pattern)
            found: list[KeyValue.Entry] = []
            for first in range(0, len(keys), _AT_ONCE):
                entries = await asyncio.gather(*(_entry(bucket, key) for key in keys[first : first + _AT_ONCE]))
                found += [entry for entry in entries if entry is not None]
            return found
    except (NatsError, OSError, TimeoutError) as error:
        raise Unreachable(f"what {pattern} matches cannot be listed: {error or 'no answer'}") from error


async def keys_below(bucket: KeyValue, pattern: str) -> list[str]:
    """The keys that match `pattern` now; as `entries_below`."""
    return [entry.key for entry in await entries_below(bucket, pattern)]


async def forget(bucket: KeyValue, key: str, *, last: int | None = None) -> None:
    """Delete a key for good: what marks it as deleted goes too, so that a listing does not grow with the past.

    Args:
        bucket: the bucket.
        key: the key.
        last: the revision that is to go; None for whatever stands there.

    Raises:
        KeyWrongLastSequenceError: another revision stands there.
    """
    if last is None:
        await bucket.purge(key, msg_ttl=_MARKER_SECONDS)
        return
    headers = {KV_OP: KV_PURGE, Header.ROLLUP: MSG_ROLLUP_SUBJECT, Header.EXPECTED_LAST_SUBJECT_SEQUENCE: str(last)}
    try:  # nats-py's purge takes no revision
        await bucket._js.publish(f"{bucket._pre}{key}", headers=headers, msg_ttl=_MARKER_SECONDS)  # noqa: SLF001
    except APIError as error:
        if error.err_code in _WRONG_LAST_SEQUENCE:
            raise KeyWrongLastSequenceError(description=error.description) from error
        raise


async def _keys(bucket: KeyValue, pattern: str) -> list[str]:
    """The keys that match, those too whose last word is that they are deleted."""
    # nats-py has no public way to ask for them; its stream_info takes a filter, and drops what is beyond a page.
    prefix, client = bucket._pre, bucket._js._nc  # noqa: SLF001
    subject = f"$JS.API.STREAM.INFO.{bucket._stream}"  # noqa: SLF001
    subjects: dict[str, Any] = {}
    while True:
        request = json.dumps({"subjects_filter": f"{prefix}{pattern}", "offset": len(subjects)}).encode()
        answer = json.loads((await client.request(subject, request, timeout=_REQUEST_SECONDS)).data)
        if "error" in answer:
            raise Unreachable(f"{pattern} cannot be listed: {answer['error'].get('description')}")
        page = answer["state"].get("subjects") or {}
        subjects |= page
        if not page or len(subjects) >= answer.get("total", 0):
            return sorted(subject.removeprefix(prefix) for subject in subjects)


async def _entry(bucket: KeyValue, key: str) -> KeyValue.Entry | None:
    try:
        return await bucket.get(key)
    except KeyNotFoundError:
        return None
