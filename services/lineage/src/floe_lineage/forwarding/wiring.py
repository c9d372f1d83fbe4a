"""Has the lineage service forward the stream: one task for each backend."""

from __future__ import annotations

from functools import partial

from floe_chassis.topology import lineage_consumer
from floe_lineage.adapters.lineage_stream import LineageStream
from floe_lineage.forwarding.configured import configured_backends
from floe_lineage.forwarding.loop import forward
from floe_lineage.wiring import Parts


def forward_lineage(parts: Parts) -> None:
    """Have the service forward to every configured backend.

    Raises:
        SettingInvalid: platform.yaml cannot be read, or a backend is named twice.
        PluginUnknown: a kind of backend is not installed.
        DocumentInvalid: platform.yaml, or the options of a backend.
    """
    service = parts.service
    for name, backend in configured_backends(parts.settings, parts.secrets).items():
        stream = LineageStream(service.bus, lineage_consumer(name))
        service.task(f"forward {name}", partial(forward, name, stream, backend))
        service.check(f"consumer {lineage_consumer(name)}", stream.check)
