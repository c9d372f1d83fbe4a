"""The lineage service."""

from __future__ import annotations

from collections.abc import Mapping

from floe_chassis.service import Service
from floe_lineage.forwarding.wiring import forward_lineage
from floe_lineage.graph.wiring import keep_graph
from floe_lineage.wiring import assemble


def create_app(environment: Mapping[str, str]) -> Service:
    """The lineage service, wired for `environment`.

    Raises:
        SettingInvalid: a setting is missing or wrong.
        PluginUnknown: a kind of backend or secret store is not installed.
        DocumentInvalid: platform.yaml, or the options of a backend.
    """
    parts = assemble(environment)
    forward_lineage(parts)
    keep_graph(parts)
    return parts.service
