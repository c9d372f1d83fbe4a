"""Has the lineage service forward the stream: one task for each backend."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Final

from floe_chassis.topology import lineage_consumer
from floe_contracts.errors import FloeError
from floe_contracts.lineage_requests import LIST_BACKENDS, REPLAY_LINEAGE
from floe_lineage.adapters.lineage_consumer import LineageConsumer
from floe_lineage.adapters.lineage_stream import LineageStream
from floe_lineage.adapters.stored_events import StoredEvents
from floe_lineage.forwarding.answers import list_backends, replay_lineage
from floe_lineage.forwarding.configured import configured_backends
from floe_lineage.forwarding.loop import Ends, Forwarder
from floe_lineage.forwarding.progress import measure
from floe_lineage.wiring import Parts

_LOOK_SECONDS: Final = 15.0


def forward_lineage(parts: Parts) -> None:
    """Have the service forward to every configured backend, and answer how that goes.

    Raises:
        SettingInvalid: platform.yaml cannot be read, or a backend is named twice.
        PluginUnknown: a kind of backend is not installed.
        DocumentInvalid: platform.yaml, or the options of a backend.
    """
    service = parts.service
    forwarders: dict[str, Forwarder] = {}
    stored = StoredEvents(service.bus).read
    for name, configured in configured_backends(parts.settings, parts.secrets).items():
        consumer = lineage_consumer(name)
        stream = LineageStream(service.bus, consumer)
        ends = Ends(stream, LineageConsumer(service.bus, consumer), stored, configured.backend)
        forwarders[name] = Forwarder(name, ends, configured.forwarding)
        service.task(f"forward {name}", forwarders[name].run)
        service.check(f"consumer {consumer}", stream.check)
    measure({name: forwarder.progress for name, forwarder in forwarders.items()})
    service.task("lineage backlog", partial(_keep_looking, forwarders))
    service.answer(LIST_BACKENDS, partial(list_backends, forwarders))
    service.answer(REPLAY_LINEAGE, partial(replay_lineage, forwarders))


async def _keep_looking(forwarders: Mapping[str, Forwarder]) -> None:
    """See now and then what each backend has not got yet, for the metrics."""
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        for forwarder in forwarders.values():
            try:
                await forwarder.look()
            except FloeError:  # whoever forwards says that the bus is away
                continue
