"""What Cube shows, against what was rendered."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from floe_semantic.core.cube_bundles import BundleDocument
from floe_semantic.errors import MembersDiffer

_MOST_NAMED: Final = 20


def check_members(document: BundleDocument, shown: Mapping[str, Collection[str]]) -> None:
    """Refuse an answer of Cube that is not what was rendered.

    Args:
        document: of the bundle; one of the first form knows no members, and anything is taken.
        shown: the members that each cube or view shows to somebody with every role and claim, with its name before
            theirs or without.

    Raises:
        MembersDiffer: some are missing, or some are shown that nobody may see; names which.
    """
    if not document.cubes:
        return
    expected = {**document.cubes, **document.views}
    missing: list[str] = []
    surplus: list[str] = []
    for name in sorted({*expected, *shown}):
        has = {member.removeprefix(f"{name}.") for member in shown.get(name, ())}
        wants = set(expected.get(name, ()))
        if wants and name not in shown:
            missing.append(name)
            continue
        missing += [f"{name}.{member}" for member in sorted(wants - has)]
        surplus += [f"{name}.{member}" for member in sorted(has - wants)]
    if missing:
        raise MembersDiffer(f"Cube does not show what was rendered: {_listed(missing)}", hint="look at Cube's log")
    if surplus:
        raise MembersDiffer(
            f"Cube shows what nobody may see: {_listed(surplus)}", hint="is there another model folder?"
        )


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
