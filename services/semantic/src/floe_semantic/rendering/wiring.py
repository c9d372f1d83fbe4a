"""Rendering as a part of the service."""

from __future__ import annotations

from functools import partial

from floe_chassis.topology import SEMANTIC
from floe_contracts.events import ArtifactCompiled, ArtifactRetired
from floe_contracts.semantic_requests import RENDER_BUNDLE
from floe_semantic.rendering.handlers import Artifacts
from floe_semantic.rendering.previews import render_bundle
from floe_semantic.rendering.restoring import Restoring
from floe_semantic.wiring import Parts


def render_artifacts(parts: Parts) -> None:
    """Render every artifact that is compiled, and withdraw what is retired."""
    artifacts = Artifacts(parts.service.bus, parts.rendering, parts.states, parts.teller)
    parts.service.subscribe_kinds(
        SEMANTIC,
        {ArtifactCompiled: artifacts.compiled, ArtifactRetired: artifacts.retired},
        concurrency=parts.settings.concurrency,
    )
    parts.service.task("restoring", Restoring(parts.service.bus, parts.states, artifacts).run)


def answer_previews(parts: Parts) -> None:
    """Render what somebody wants to look at."""
    parts.service.answer(RENDER_BUNDLE, partial(render_bundle, parts.rendering))
