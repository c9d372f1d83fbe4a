"""Rendering as a part of the service."""

from __future__ import annotations

from floe_chassis.topology import SEMANTIC
from floe_contracts.events import ArtifactCompiled
from floe_semantic.rendering.handlers import on_compiled
from floe_semantic.wiring import Parts


def render_artifacts(parts: Parts) -> None:
    """Render every artifact that is compiled."""
    handler = on_compiled(parts.service.bus, parts.blobs)
    parts.service.subscribe(SEMANTIC, ArtifactCompiled, handler, concurrency=parts.settings.concurrency)
