"""The computes of both older forms: which options go where, and the secrets that the forms left unsaid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from floe_contracts.dialects.conversion import Draft, camel
from floe_contracts.dialects.kinds import fields_of_kind
from floe_contracts.documents.yaml_tree import Path

ENVIRONMENT: Final = "dev"
"""The environment of a platform whose form knows none."""
_USER: Final = {"user": ("credentials", "user"), "password": ("credentials", "password")}
_DATABASE: Final = {"dbname": ("database",)}
_SPARK: Final = (
    *("host", "port", "cluster", "driver", "user", "auth", "password", "kerberos_service_name", "use_ssl"),
    *("endpoint", "organization", "token"),
)
_MOVED: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "snowflake": _USER,
    "redshift": _USER | _DATABASE | {"sslmode": ("sslMode",)},
    "postgres": _DATABASE | {"sslmode": ("sslMode",)},
    "databricks": {"token": ("credentials", "token")},
    "bigquery": {"keyfile": ("credentials", "keyfile")},
    "spark": {option: ("connection", camel(option)) for option in _SPARK},
}
"""Options that stand elsewhere now, by type."""
_METHODS: Final[Mapping[str, str]] = {"oauth": "oauth", "service-account": "service_account"}
"""BigQuery's methods that the older forms knew."""


def put_compute(draft: Draft, name: str, kind: str, place: Path, options: Path, secret: str | None, rule: str) -> None:
    """Take one compute over.

    Args:
        draft: what is built.
        name: its name.
        kind: its type.
        place: its section in the document.
        options: the map of its options.
        secret: the secret that the document names for it.
        rule: name of the rule, for notes.
    """
    target: Path = ("compute", name)
    known = fields_of_kind("compute", kind)
    draft.put((*target, "type"), kind, (*place, "type"))
    draft.trace(target, options)
    moved = _MOVED.get(kind, {})
    for option in draft.keys(options):
        new = moved.get(option, (camel(option),))
        if option == "method" and kind in ("bigquery", "spark"):
            continue
        if known is None or new[0] in known:
            draft.move_reference((*options, option), (*target, *new))
        else:
            draft.drop((*options, option), f"no home in floe: {kind} takes no {new[0]} ({rule})")
    _put_access(draft, target, kind, place, options, secret)


def _put_access(draft: Draft, target: Path, kind: str, place: Path, options: Path, secret: str | None) -> None:
    """Say how a warehouse is opened: the mode, and the secrets that the original took from variables of its own."""
    method = draft.written((*options, "method"))
    fields: tuple[tuple[str, ...], ...] = ()
    if kind in ("snowflake", "redshift"):
        draft.put((*target, "credentials", "mode"), "password", options)
        fields = (_USER["user"], _USER["password"])
    elif kind == "postgres":
        fields = (("user",), ("password",))
    elif kind == "databricks":
        draft.put((*target, "credentials", "mode"), "token", options)
        fields = (("credentials", "token"),)
    elif kind == "bigquery":
        mode = _METHODS.get(method or "oauth", method)
        draft.put((*target, "credentials", "mode"), mode, (*options, "method"))
        fields = (("credentials", "keyfile"),) if mode == "service_account" else ()
    elif kind == "spark":
        draft.put((*target, "connection", "mode"), method or "thrift", (*options, "method"))
        fields = (("connection", "token"),) if draft.written((*options, "cluster")) is not None else ()
    for field in fields:
        if draft.written((*options, field[-1])) is None:
            _put_secret(draft, (*target, *field), f"{secret or f'{kind}-{ENVIRONMENT}'}-{field[-1]}", place)


def _put_secret(draft: Draft, target: Path, name: str, place: Path) -> None:
    draft.put(target, {"secretRef": name}, place)
    draft.note(place, f"{'.'.join(map(str, target))} is read from the secret {name} (secret-names)")
