"""What a run was asked to do, as parameters that may be shown to anybody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from floe_contracts.documents.secrets_scan import is_secret_name, is_secret_value
from floe_contracts.events import RunOptions
from floe_contracts.runs import RunRecord

_HIDDEN = "***"


def parameters(record: RunRecord) -> tuple[tuple[str, str], ...]:
    """Key and value of each parameter; a variable whose name or value looks like a secret has its value hidden."""
    return (("trigger", record.trigger), *_of_options(record.options))


def _of_options(options: RunOptions) -> Iterator[tuple[str, str]]:
    if options.select:
        yield "select", " ".join(options.select)
    if options.exclude:
        yield "exclude", " ".join(options.exclude)
    yield "full_refresh", json.dumps(options.full_refresh)
    for name, value in sorted(options.vars.items()):
        yield f"vars.{name}", _shown(name, value)
    if options.partition is not None:
        yield "partition", options.partition
    if options.retry_of is not None:
        yield "retry_of", options.retry_of
    if options.allow_breaking:
        yield "allow_breaking", "true"


def _shown(name: str, value: Any) -> str:
    return _HIDDEN if _holds_secret(name, value) else value if isinstance(value, str) else json.dumps(value)


def _holds_secret(name: str, value: Any) -> bool:
    if is_secret_name(name):
        return True
    if isinstance(value, dict):
        return any(_holds_secret(key, item) for key, item in value.items())
    if isinstance(value, list):
        return any(_holds_secret("", item) for item in value)
    return isinstance(value, str) and is_secret_value(value)
