"""The environment of dbt: an allow-list, because a dbt project is code that somebody else wrote.

Whatever dbt can read with `env_var()` may end in its manifest, its logs and its tables. So nothing passes but what
dbt and DuckDB need of the operating system, and what floe itself sets (DESIGN section 9). Standard library only: the
client of the fork server imports this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # the client does without pathlib
    from pathlib import Path

SECRET_PREFIX: Final = "DBT_ENV_SECRET_FLOE_"  # noqa: S105 -- a prefix of names
"""Prefix of every credential placeholder: dbt refuses `DBT_ENV_SECRET_*` in models and allows it in profiles."""

SOCKET: Final = "FLOE_DBT_SOCKET"
"""Names the socket of the fork server to its client; never passed on to dbt."""

PLAIN: Final = "FLOE_DBT_PLAIN"
"""When set, the client runs plain dbt in its own process instead of asking a fork server."""

_SYSTEM: Final = frozenset({"HOME", "LANG", "PATH", "TMPDIR", "TZ"})
_SYSTEM_PREFIX: Final = "LC_"
_SET_BY_RUNNERS: Final = frozenset(
    {
        "DAGSTER_DBT_CLI",
        "DBT_INDIRECT_SELECTION",
        "DBT_LOG_FORMAT",
        "DBT_LOG_PATH",
        "DBT_PROFILES_DIR",
        "DBT_PROJECT_DIR",
        "DBT_TARGET_PATH",
        "PYTHONUNBUFFERED",
    }
)
_FIXED: Final = {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}


def system_environment(source: Mapping[str, str]) -> dict[str, str]:
    """The part of `source` that any program may see: paths, locale, time zone."""
    return {name: value for name, value in source.items() if name in _SYSTEM or name.startswith(_SYSTEM_PREFIX)}


def dbt_environment(
    source: Mapping[str, str], *, profiles_dir: Path, secrets: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The whole environment of one dbt invocation.

    Args:
        source: where PATH, HOME, LANG, LC_*, TZ and TMPDIR are taken from, usually `os.environ`; nothing else of it
            passes.
        profiles_dir: the folder with the generated profiles.yml.
        secrets: values of the credential placeholders in that profile.

    Raises:
        ValueError: a secret whose name lacks `SECRET_PREFIX`, which a model could read.
    """
    secrets = secrets or {}
    exposed = sorted(name for name in secrets if not name.startswith(SECRET_PREFIX))
    if exposed:
        raise ValueError(f"secrets must be named {SECRET_PREFIX}*: {', '.join(exposed)}")
    return {**system_environment(source), **_FIXED, "DBT_PROFILES_DIR": str(profiles_dir), **secrets}


def client_environment(source: Mapping[str, str]) -> dict[str, str]:
    """What the `floe-dbt` program hands on of its own environment.

    dagster-dbt starts its dbt executable with all of `os.environ`; this list is what keeps the executor's own
    credentials from the project. Of `DBT_*` only what dagster-dbt and floe set passes, so no stray
    `DBT_CLOUD_API_KEY` does.
    """
    passed = {
        name: value for name, value in source.items() if name in _SET_BY_RUNNERS or name.startswith(SECRET_PREFIX)
    }
    return {**system_environment(source), **passed, **_FIXED}
