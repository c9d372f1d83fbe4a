"""Storage, catalogs and environments of both older forms: which fields go where, and which have no home."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from floe_contracts.dialects.computes import ENVIRONMENT
from floe_contracts.dialects.conversion import Draft, camel
from floe_contracts.dialects.kinds import fields_of_kind
from floe_contracts.documents.yaml_tree import Path

_DEFAULTS: Final[Mapping[str, tuple[str, dict[str, str]]]] = {
    "compute": ("duckdb", {"type": "duckdb"}),
    "storage": ("local", {"type": "local"}),
    "catalogs": ("sql", {"type": "sql"}),
}
"""What stands in for a section that is not written."""


def put_storage(draft: Draft, name: str, kind: str, place: Path, options: Path, rule: str) -> None:
    """Take one storage over; credentials are not looked at."""
    _put_profile(draft, "storage", name, kind, place, options, rule)


def put_catalog(draft: Draft, name: str, kind: str, place: Path, options: Path, rule: str) -> None:
    """Take one catalog over; credentials are not looked at."""
    _put_profile(draft, "catalogs", name, kind, place, options, rule)


def put_credentials(draft: Draft, place: Path, target: Path, rule: str) -> None:
    """Take the credentials of a storage or catalog over; without a secret they hold nothing."""
    mode = draft.written((*place, "mode")) or "static"
    if mode == "static" and draft.written((*place, "secret_ref")) is None:
        draft.drop(place, f"left out: they name no secret ({rule})")
        return
    draft.put((*target, "mode"), mode, (*place, "mode"))
    draft.trace(target, place)
    wanted = {"static": ("secret_ref",), "oauth2": ("client_id", "client_secret", "scope"), "iam_role": ("role_arn",)}
    for field in ("secret_ref", "client_id", "client_secret", "scope", "role_arn"):
        if field in wanted.get(mode, ()):
            draft.move_reference((*place, field), (*target, camel(field)))
        else:
            draft.drop((*place, field), f"left out: credentials of mode {mode} have no {field} ({rule})")


def put_profiles(draft: Draft, names: Iterable[str], place: Path, rule: str) -> None:
    """One environment in which every logical name stands for the profiles of that name."""
    for section, (default, value) in _DEFAULTS.items():
        if not draft.value.get(section):
            draft.put((section, default), dict(value), place)
            draft.note(place, f"no {section} is written: {default} stands in for it ({rule})")
    other = {part: _other(draft.value[section]) for part, section in _PARTS.items()}
    for logical in sorted({*names, "default"}):
        chosen = {part: logical if logical in draft.value[section] else other[part] for part, section in _PARTS.items()}
        draft.put(("environments", ENVIRONMENT, "profiles", logical), chosen, place)


_PARTS: Final = {"compute": "compute", "storage": "storage", "catalog": "catalogs"}


def _other(section: Mapping[str, Any]) -> str:
    """The profile that stands for names that a section lacks: its default one, else its first."""
    return "default" if "default" in section else min(section)


def _put_profile(draft: Draft, section: str, name: str, kind: str, place: Path, options: Path, rule: str) -> None:
    target: Path = (section, name)
    known = fields_of_kind(section, kind)
    draft.put((*target, "type"), kind, (*place, "type"))
    draft.trace(target, options)
    for option in draft.keys(options):
        new = camel(option)
        if option in ("type", "credentials") or draft.written((*options, option)) == "":
            continue
        if known is None or new in known:
            draft.move_reference((*options, option), (*target, new))
        else:
            draft.drop((*options, option), f"no home in floe: {kind} takes no {new} ({rule})")
