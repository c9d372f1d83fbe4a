"""What a plan says, in words that the text and the Markdown share. Nothing here is escaped for either."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from typing import Any, Final

from floe_contracts.digests import short
from floe_contracts.plans import EnvironmentPlan, FieldChange, Plan, PlannedNode

NOTHING_CHANGES: Final = "Nothing changes."
_LONGEST: Final = 160
_STRANGE: Final = "\ufffd"
_SHOWN_OF_A_PATH: Final = 4


def printable(text: str) -> str:
    """`text` on one line, without control characters, at most some 160 characters long.

    Names come from somebody's project: they may neither steer a terminal nor turn the text around them.
    """
    clean = "".join(_STRANGE if unicodedata.category(sign).startswith("C") else sign for sign in " ".join(text.split()))
    return clean if len(clean) <= _LONGEST else f"{clean[: _LONGEST - 1]}…"


def title(plan: Plan) -> str:
    """What is compared with what."""
    against = f"against {short(plan.against)}" if plan.against else "the first of the product"
    return f"artifact {short(plan.artifact_digest)}, {against}"


def verdict(plan: Plan) -> str:
    """The impacts, counted."""
    counts = [
        (plan.count("breaking"), "breaking"),
        (plan.count("warning"), "to look at"),
        (plan.count("info"), "for information"),
    ]
    said = ", ".join(f"{count} {word}" for count, word in counts if count)
    return said or "nothing that consumers would notice"


def alike(plan: Plan) -> Iterator[tuple[str, EnvironmentPlan]]:
    """The environments, those with the same plan together: `dev, prod`."""
    groups: dict[str, tuple[list[str], EnvironmentPlan]] = {}
    for name, environment in plan.environments.items():
        key = environment.model_dump_json()
        groups.setdefault(key, ([], environment))[0].append(name)
    return ((", ".join(names), environment) for names, environment in groups.values())


def counted(environment: EnvironmentPlan) -> str:
    """`1 added, 2 changed, 3 downstream, 10 unchanged; 4 to build`."""
    counts = environment.counts
    named = [
        (counts.added, "added"),
        (counts.removed, "removed"),
        (counts.changed, "changed"),
        (counts.downstream, "downstream"),
        (counts.unchanged, "unchanged"),
    ]
    presence = {"added": "new environment: ", "removed": "environment is gone: ", "kept": ""}[environment.presence]
    said = ", ".join(f"{count} {word}" for count, word in named if count) or "no nodes"
    return f"{presence}{said}; {counts.runs} to build"


def what(node: PlannedNode) -> str:
    """What became of a node: `added`, `removed`, or what of it changed."""
    return ", ".join(node.changes) if node.action == "changed" else node.action


def why(node: PlannedNode) -> str:
    """Why it is built, or that it is not."""
    if not node.runs:
        return "not built"
    if not node.because:
        return "is new" if node.action == "added" else "changed itself"
    steps = [name.split(".", 2)[-1] for name in node.because]
    if len(steps) > _SHOWN_OF_A_PATH:
        steps = [steps[0], "…", *steps[2 - _SHOWN_OF_A_PATH :]]
    return " → ".join(steps)


def value(side: Any) -> str:
    """A side of a changed field."""
    if side is None:
        return "(none)"
    return side if isinstance(side, str) else json.dumps(side, ensure_ascii=False)


def fields(plan: Plan) -> Iterator[tuple[str, FieldChange]]:
    """Every changed field, with where it changed: `product`, or the environments."""
    yield from (("product", change) for change in plan.fields)
    places: dict[str, tuple[list[str], FieldChange]] = {}
    for name, environment in plan.environments.items():
        for change in environment.platform:
            places.setdefault(change.model_dump_json(), ([], change))[0].append(name)
    yield from ((", ".join(names), change) for names, change in places.values())
