"""A plan as people and programs read it. Pure: from a plan to a text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from floe_cli.plan_views.json_view import as_json
from floe_cli.plan_views.markdown_view import as_markdown
from floe_cli.plan_views.text_view import as_text
from floe_contracts.plans import Plan

VIEWS: Final[Mapping[str, Callable[[Plan], str]]] = {"text": as_text, "json": as_json, "markdown": as_markdown}
"""The formats of `floe plan`, by name."""
