"""The semantic service."""

from __future__ import annotations

from collections.abc import Mapping

from floe_chassis.service import Service
from floe_semantic.rendering.wiring import answer_previews, render_artifacts
from floe_semantic.wiring import assemble


def create_app(environment: Mapping[str, str]) -> Service:
    """The semantic service, wired for `environment`.

    Raises:
        SettingInvalid: a setting is missing or wrong.
    """
    parts = assemble(environment)
    render_artifacts(parts)
    answer_previews(parts)
    return parts.service
