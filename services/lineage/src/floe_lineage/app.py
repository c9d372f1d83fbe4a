"""The lineage forwarder as a service."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings, load_settings
from floe_chassis.topology import lineage_consumer
from floe_lineage.adapters.file_backend import FileBackend
from floe_lineage.adapters.http_backend import HttpBackend
from floe_lineage.adapters.lineage_stream import LineageStream
from floe_lineage.core.ports import Backend
from floe_lineage.forwarding import forward
from floe_lineage.settings import BackendName, LineageSettings


def create_app(environment: Mapping[str, str]) -> Service:
    """The lineage service, wired for `environment`: one task for each backend.

    Raises:
        SettingInvalid: a setting is missing or wrong.
    """
    settings = load_settings(LineageSettings, environment)
    service = Service("lineage", load_settings(ChassisSettings, environment))
    for name in settings.backends:
        stream = LineageStream(service.bus, lineage_consumer(name))
        service.task(f"forward {name}", partial(forward, name, stream, _backend(name, settings)))
        service.check(f"consumer {lineage_consumer(name)}", stream.check)
    return service


def _backend(name: BackendName, settings: LineageSettings) -> Backend:
    match name:
        case "file":
            return FileBackend(settings.file)
        case "http":
            return HttpBackend(str(settings.http_url), token=settings.http_token, batch=settings.http_batch)
