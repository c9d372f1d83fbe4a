"""The plan for programs."""

from __future__ import annotations

import json

from floe_contracts.plans import Plan


def as_json(plan: Plan) -> str:
    """The plan's own document; `floe schema export` has its schema within that of `artifacts.planned`."""
    return json.dumps(plan.model_dump(mode="json", exclude_none=True), indent=2, ensure_ascii=False) + "\n"
