"""The states of all products: followed in the bucket `floe_semantic_states`, and written there by compare-and-set."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.errors import KeyDeletedError, KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KV_OP

from floe_chassis.bus import Bus
from floe_chassis.key_values import entries_below
from floe_chassis.stream_follower import Gap, Start, StreamFollower
from floe_chassis.topology import SEMANTIC_STATES_BUCKET
from floe_contracts.errors import Transient, Unreachable
from floe_contracts.openlineage.naming import Place
from floe_contracts.semantic_states import SemanticState, semantic_state_key
from floe_contracts.subjects import escape
from floe_semantic.errors import StateChanging, StatesNotRead

Change = Callable[[SemanticState | None], SemanticState | None]

_PREFIX: Final = f"$KV.{SEMANTIC_STATES_BUCKET}."
_STREAM: Final = f"KV_{SEMANTIC_STATES_BUCKET}"
_TRIES: Final = 16
_LOOK_SECONDS: Final = 1.0

_log = structlog.get_logger("floe.semantic")


class SemanticStates:
    """What is wanted, offered and served, of all products.

    A Cube asks each second; it is answered from memory, which follows the bucket.

    Attributes:
        current: set once everything is read that the bucket held when the service started.
        lost: set when the bucket had to be read anew, because it was made anew or much of it was missed.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._known: dict[str, tuple[int, SemanticState]] = {}
        self.current = asyncio.Event()
        self.lost = asyncio.Event()

    async def follow(self) -> None:
        """Read the bucket, and what is written to it, until it is cancelled."""
        while True:
            try:
                await self._follow()
            except (Transient, NatsError, OSError, TimeoutError) as error:
                _log.warning("states.not_followed", error=str(error))
                await asyncio.sleep(_LOOK_SECONDS)

    async def check(self) -> None:
        """Whether the service knows what is offered.

        Raises:
            StatesNotRead: it does not yet.
        """
        self.check_read()

    def check_read(self) -> None:
        """As `check`."""
        if not self.current.is_set():
            raise StatesNotRead("the states of the products are not read yet", hint="ask again in a while")

    def known(self) -> list[SemanticState]:
        """All states, by tenant, environment and product."""
        return [state for _, (_, state) in sorted(self._known.items())]

    def find(self, place: Place) -> SemanticState | None:
        """The state of a product, as far as it is known here."""
        found = self._known.get(semantic_state_key(place))
        return found[1] if found else None

    async def of_product(self, tenant: str, product: str) -> list[SemanticState]:
        """The states of a product in all environments, as the bucket has them now.

        Raises:
            Unreachable: the bus does not answer.
        """
        bucket = await self._bus.key_value(SEMANTIC_STATES_BUCKET)
        found: list[SemanticState] = []
        for entry in await entries_below(bucket, f"{escape(tenant)}.*.{escape(product)}"):
            if (state := _state(entry.key, entry.value)) is not None:
                self._take(entry.key, entry.revision or 0, state)
                found.append(state)
        return found

    async def read(self, place: Place) -> SemanticState | None:
        """The state of a product, as the bucket has it now.

        Raises:
            Unreachable: the bus does not answer.
        """
        return (await self._read(semantic_state_key(place)))[1]

    async def change(self, place: Place, change: Change) -> SemanticState | None:
        """Write what `change` makes of a state; asked again when somebody else was faster, None leaves it.

        Returns:
            What stands there now.

        Raises:
            StateChanging: others were faster every time.
            Unreachable: the bus does not answer; it may have been written.
        """
        key = semantic_state_key(place)
        for attempt in range(_TRIES):
            # What is known here is good enough to begin with: a write over an older revision is refused.
            known = self._known.get(key) if attempt == 0 else None
            revision, state = known or await self._read(key)
            after = change(state)
            if after is None or after == state:
                if known is None:
                    return state
                continue
            if written := await self._write(key, after, revision):
                self._take(key, written, after)
                return after
        raise StateChanging(f"the state of {place} changes faster than it can be written")

    async def _read(self, key: str) -> tuple[int, SemanticState | None]:
        try:
            entry = await (await self._bus.key_value(SEMANTIC_STATES_BUCKET)).get(key)
        except KeyDeletedError as deleted:
            return deleted.entry.revision or 0, None
        except KeyNotFoundError:
            return 0, None
        except (NatsError, OSError, TimeoutError) as error:
            raise Unreachable(f"the state {key} cannot be read: {error or 'no answer'}") from error
        state = _state(key, entry.value)
        if state is not None:
            self._take(key, entry.revision or 0, state)
        return entry.revision or 0, state

    async def _write(self, key: str, state: SemanticState, last: int) -> int:
        """The revision written; 0 if another one than `last` stands there."""
        bucket = await self._bus.key_value(SEMANTIC_STATES_BUCKET)
        content = state.model_dump_json(exclude_none=True).encode()
        try:
            return int(await (bucket.update(key, content, last=last) if last else bucket.create(key, content)))
        except KeyWrongLastSequenceError:
            return 0
        except (NatsError, OSError, TimeoutError) as error:
            raise Unreachable(f"the state {key} cannot be written: {error or 'no answer'}") from error

    async def _follow(self) -> None:
        follower = StreamFollower(self._bus, _STREAM, [f"{_PREFIX}>"], Start.OLDEST)
        await follower.open()
        try:
            bucket = await self._bus.js.stream_info(_STREAM)
            last = bucket.state.last_seq or 0
            while True:
                if follower.position >= last:
                    self.current.set()
                for item in await follower.next(_LOOK_SECONDS):
                    if isinstance(item, Gap):  # the bucket was made anew, or much was written while the bus was away
                        self.current.clear()
                        self._known.clear()
                        self.lost.set()
                        return
                    self._take_message(item.sequence, item.message)
        finally:
            await follower.close()

    def _take_message(self, sequence: int, message: Msg) -> None:
        key = message.subject.removeprefix(_PREFIX)
        if (message.headers or {}).get(KV_OP):
            self._known.pop(key, None)
            return
        if (state := _state(key, message.data)) is not None:
            self._take(key, sequence, state)

    def _take(self, key: str, revision: int, state: SemanticState) -> None:
        if revision > self._known.get(key, (0, state))[0]:
            self._known[key] = (revision, state)


def _state(key: str, content: bytes | None) -> SemanticState | None:
    """A stored state; None if it cannot be read, and is written anew with the next artifact."""
    try:
        return SemanticState.model_validate_json(content or b"", extra="ignore")
    except ValueError as error:
        _log.error("states.unreadable", key=key, error=type(error).__name__)
        return None
