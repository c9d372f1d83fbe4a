"""The lineage forwarder as a service."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from floe_chassis.secrets import open_secrets
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings, load_settings
from floe_chassis.topology import lineage_consumer
from floe_lineage.adapters.lineage_stream import LineageStream
from floe_lineage.configured import configured_backends
from floe_lineage.forwarding import forward
from floe_lineage.settings import LineageSettings


def create_app(environment: Mapping[str, str]) -> Service:
    """The lineage service, wired for `environment`: one task for each backend.

    Raises:
        SettingInvalid: a setting is missing or wrong.
        PluginUnknown: a kind of backend or secret store is not installed.
        DocumentInvalid: platform.yaml, or the options of a backend.
    """
    settings = load_settings(LineageSettings, environment)
    chassis = load_settings(ChassisSettings, environment)
    service = Service("lineage", chassis)
    secrets = open_secrets(chassis.secret_stores, environment)
    for name, backend in configured_backends(settings, secrets).items():
        stream = LineageStream(service.bus, lineage_consumer(name))
        service.task(f"forward {name}", partial(forward, name, stream, backend))
        service.check(f"consumer {lineage_consumer(name)}", stream.check)
    return service
