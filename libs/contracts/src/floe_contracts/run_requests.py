"""The ids of run requests that more than one party may make: whoever comes first, it is one run."""

from __future__ import annotations

from floe_contracts.digests import canonical_json, digest_of, short
from floe_contracts.events import RunOptions


def compiled_run_request_id(compiled: str, environment: str, options: RunOptions | None = None) -> str:
    """The id of the request for the first run of an artifact in an environment.

    A compile trigger and `floe run` ask by the same id. With options it is another run than that of the trigger.

    Args:
        compiled: id of the event that announced the artifact.
        environment: where it is run.
        options: what the requester wants of the run beyond the default.
    """
    if options is None or options == RunOptions():
        return f"{compiled}:{environment}:run"
    wanted = digest_of(canonical_json(options.model_dump(mode="json", exclude_defaults=True)))
    return f"{compiled}:{environment}:run:{short(wanted)}"
