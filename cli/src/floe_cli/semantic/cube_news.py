"""What `floe up` tells of the Cubes that ask it for their bundles."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from nats.errors import Error as NatsError
from pydantic import ValidationError

from floe_chassis.bus import Bus
from floe_chassis.key_values import entries_below
from floe_chassis.settings import ChassisSettings, load_settings
from floe_chassis.topology import CUBE_INSTANCES_BUCKET, SEMANTIC_STATES_BUCKET
from floe_cli.stack.folders import StackFolder
from floe_contracts.digests import short
from floe_contracts.errors import FloeError
from floe_contracts.semantic_states import CubeInstance, SemanticState, semantic_state_key

_LOOK_SECONDS: Final = 2.0


@asynccontextmanager
async def telling_cubes(folder: StackFolder, nats_url: str, write: Callable[[str], None]) -> AsyncIterator[None]:
    """Write a line whenever what the Cubes of a product serve has changed, as long as the context lasts."""
    settings = load_settings(ChassisSettings, dict(os.environ) | folder.environment(nats_url))
    bus = Bus("cli", settings)
    telling = asyncio.create_task(_tell(bus, write), name="cube news")
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        await bus.close()


def lines(states: Iterable[SemanticState], cubes: Mapping[str, list[CubeInstance]]) -> dict[str, str]:
    """Key of a product's state -> what there is to say of its Cubes; nothing of a product that none asks for.

    Args:
        states: the products.
        cubes: the Cubes of each, by the key of its state.
    """
    found = {}
    for state in states:
        key = semantic_state_key(state.place)
        if running := cubes.get(key):
            found[key] = f"cube     {state.product} in {state.environment}: {_serving(state, running)}"
    return found


def _serving(state: SemanticState, running: list[CubeInstance]) -> str:
    wanted = state.wanted.bundle_digest if state.wanted else None
    digests = sorted({short(cube.bundle_digest) for cube in running if cube.bundle_digest})
    count = "a Cube serves" if len(running) == 1 else f"{len(running)} Cubes serve"
    serves = f"{count} {' and '.join(digests) or 'nothing yet'}"
    everywhere = wanted is not None and all(cube.bundle_digest == wanted for cube in running)
    newest = state.wanted if state.wanted and state.wanted.artifact_digest == state.artifact_digest else None
    if state.problems and not (everywhere and newest):
        what = short(newest.bundle_digest) if newest else "the newest artifact"
        return f"{serves}; {what} cannot be served, see floe semantic status: {state.problems[0].message}"
    return f"{serves}, in sync" if everywhere else serves


async def _tell(bus: Bus, write: Callable[[str], None]) -> None:
    told: dict[str, str] = {}
    await bus.connect()  # the stack's bus may be just starting again
    while True:
        with contextlib.suppress(FloeError, NatsError, OSError, TimeoutError):  # a bus that is away is asked again
            news = await _look(bus)
            for key, line in news.items():
                if told.get(key) != line:
                    write(line)
            for key in told.keys() - news.keys():
                write(f"{told[key].partition(': ')[0]}: no Cube asks for its bundle any more")
            told = news
        await asyncio.sleep(_LOOK_SECONDS)


async def _look(bus: Bus) -> dict[str, str]:
    cubes: dict[str, list[CubeInstance]] = {}
    for entry in await entries_below(await bus.key_value(CUBE_INSTANCES_BUCKET), ">"):
        with contextlib.suppress(ValidationError):
            found = CubeInstance.model_validate_json(entry.value or b"", extra="ignore")
            cubes.setdefault(entry.key.rpartition(".")[0], []).append(found)
    if not cubes:
        return {}
    states = []
    for entry in await entries_below(await bus.key_value(SEMANTIC_STATES_BUCKET), ">"):
        with contextlib.suppress(ValidationError):
            states.append(SemanticState.model_validate_json(entry.value or b"", extra="ignore"))
    return lines(states, cubes)
