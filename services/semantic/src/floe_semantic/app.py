"""The semantic service."""

from __future__ import annotations

from collections.abc import Mapping

from floe_chassis.service import Service
from floe_semantic.queries.wiring import tell_queries
from floe_semantic.rendering.wiring import answer_previews, render_artifacts
from floe_semantic.requests.wiring import answer_requests
from floe_semantic.sync.wiring import serve_bundles
from floe_semantic.wiring import assemble


def create_app(environment: Mapping[str, str]) -> Service:
    """The semantic service, wired for `environment`.

    Raises:
        SettingInvalid: a setting is missing or wrong.
        CompilerMissing: Cube's compiler is not where the settings say.
    """
    parts = assemble(environment)
    render_artifacts(parts)
    answer_previews(parts)
    answer_requests(parts, serve_bundles(parts))
    tell_queries(parts)
    return parts.service
