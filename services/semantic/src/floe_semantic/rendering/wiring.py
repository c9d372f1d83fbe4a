"""Rendering as a part of the service."""

from __future__ import annotations

from functools import partial

from floe_chassis.topology import SEMANTIC
from floe_contracts.events import ArtifactCompiled
from floe_contracts.semantic_requests import RENDER_BUNDLE
from floe_semantic.rendering.handlers import on_compiled
from floe_semantic.rendering.previews import render_bundle
from floe_semantic.wiring import Parts


def render_artifacts(parts: Parts) -> None:
    """Render every artifact that is compiled."""
    handler = on_compiled(parts.service.bus, parts.blobs)
    parts.service.subscribe(SEMANTIC, ArtifactCompiled, handler, concurrency=parts.settings.concurrency)


def answer_previews(parts: Parts) -> None:
    """Render what somebody wants to look at."""
    parts.service.answer(RENDER_BUNDLE, partial(render_bundle, parts.blobs))
