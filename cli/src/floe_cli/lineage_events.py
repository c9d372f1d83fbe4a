"""Which events of the lineage stream are wanted, and the stream followed for them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from nats.aio.msg import Msg

from floe_chassis.bus import Bus
from floe_chassis.dead_letters import is_for
from floe_chassis.stream_follower import Gap, Position, Start, StreamFollower
from floe_chassis.topology import LINEAGE
from floe_contracts import subjects
from floe_contracts.errors import WrongUsage
from floe_contracts.moments import read_moment
from floe_contracts.openlineage.envelope import ROOT_RUN_HEADER, RUN_HEADER

_PATIENCE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What an event must be; what is left out, any is.

    Attributes:
        environments: where it happened.
        products: of floe, or the names of producers with a hyphen before them.
        jobs: whole names of jobs.
        types: START, COMPLETE and so on.
        run: the beginning of the id of a run, or of the run at the top of its chain.
        dataset: the name of a dataset that is read or written, or a tail of it.
    """

    environments: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    run: str | None = None
    dataset: str | None = None

    def patterns(self, tenant: str) -> tuple[str, ...]:
        """The subjects that it may have, for the server to choose by."""
        return subjects.lineage_patterns(tenant, self.environments, self.products, self.jobs, self.types)

    def wants(self, message: Msg) -> bool:
        """Whether it is one, as far as the subject does not say."""
        headers = message.headers or {}
        if not is_for(headers, ""):
            return False  # one backend gets it again
        if self.run is not None and not any(
            headers.get(name, "").startswith(self.run) for name in (RUN_HEADER, ROOT_RUN_HEADER)
        ):
            return False
        return self.dataset is None or any(_is_tail(self.dataset, name) for name in _datasets(message.data))


def begin_at(since: str | None, *, from_start: bool) -> Position:
    """Where to begin: at a time, with the oldest event, or with the next one.

    Raises:
        WrongUsage: `since` is no time, or both are asked for.
    """
    if since is None:
        return Start.OLDEST if from_start else Start.NEXT
    if from_start:
        raise WrongUsage("--since and --all name two places to begin at", hint="leave one of them out")
    try:
        return read_moment(since, datetime.now(UTC))
    except ValueError as error:
        raise WrongUsage(str(error), hint="as in --since 2h") from error


async def follow(bus: Bus, tenant: str, wanted: EventFilter, position: Position) -> AsyncGenerator[Msg | Gap, None]:
    """The events that are wanted, for ever; where some are gone that should come next, that.

    Raises:
        Unreachable: the bus is away at the beginning; later it is waited for.
        TopologyMissing: there is no lineage stream.
    """
    follower = StreamFollower(bus, LINEAGE, wanted.patterns(tenant), position)
    try:
        await follower.open()
        while True:
            for each in await follower.next(_PATIENCE_SECONDS):
                if isinstance(each, Gap):
                    yield each
                elif wanted.wants(each.message):
                    yield each.message
    finally:
        await follower.close()


def _is_tail(tail: str, name: str) -> bool:
    return name == tail or name.endswith((f".{tail}", f"/{tail}"))


def _datasets(body: bytes) -> list[str]:
    """The names of the datasets that an event speaks of; none of what is no OpenLineage."""
    try:
        event: Any = json.loads(body)
        told = [*(event.get("inputs") or ()), *(event.get("outputs") or ()), event.get("dataset") or {}]
        return [name for dataset in told if isinstance(name := dataset.get("name"), str)]
    except (ValueError, AttributeError, TypeError):
        return []
