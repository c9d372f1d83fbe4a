"""Every place where a secret can stand, each with a token of its own: around the services, and in a product's files."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import nkeys
import yaml

SECRET_REFS: Final = (
    *("warehouse-password", "warehouse-user", "lake-keys"),
    *("catalog-client", "catalog-secret", "crm-token"),
)
"""Secrets that the platform names; each is in the environment, and as a mounted file."""
_VARIABLES: Final = (
    *("SNOWFLAKE_PASSWORD", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GITHUB_TOKEN", "PGPASSWORD"),
    *("DBT_CLOUD_API_KEY", "DBT_ENV_SECRET_GIT_CREDENTIAL", "DBT_ENV_SECRET_FLOE_WAREHOUSE_PASSWORD"),
    *("DBT_ENV_CUSTOM_ENV_STAGE", "DBT_PASSWORD"),
)


@dataclass
class Canaries:
    """Tokens, by the place where each stands.

    Attributes:
        around: tokens that stand around the services and in no file of a product.
        typed: tokens that somebody typed into a product's files by mistake.
    """

    around: dict[str, str] = field(default_factory=dict)
    typed: dict[str, str] = field(default_factory=dict)

    def hide(self, place: str) -> str:
        """A new token of no particular form around the services."""
        return self.around.setdefault(place, f"canary{secrets.token_hex(12)}")

    def type(self, place: str) -> str:
        """A new token in a file, of the form of an access token of GitHub."""
        return self.typed.setdefault(place, f"ghp_{secrets.token_hex(18)}")


def surroundings(canaries: Canaries, folder: Path, collector: str) -> dict[str, str]:
    """The environment of services and commands, with a token wherever one can stand; files of secrets below `folder`.

    Args:
        canaries: takes the tokens.
        folder: for the home of the user and the mounted secrets.
        collector: where spans are sent.
    """

    hidden = {name: canaries.hide(f"variable {name}") for name in _VARIABLES}
    hidden |= {_variable(name): canaries.hide(f"variable of {name}") for name in SECRET_REFS}
    hidden["DATABASE_URL"] = f"postgresql://floe:{canaries.hide('password of DATABASE_URL')}@db:5432/floe"
    hidden["HTTPS_PROXY"] = f"http://floe:{canaries.hide('password of the proxy')}@127.0.0.1:9"
    hidden["OTEL_EXPORTER_OTLP_HEADERS"] = f"authorization={canaries.hide('header for the collector')}"
    home, mounted = folder / "home", folder / "mounted"
    for file, content in _secret_files(canaries, home).items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    mounted.mkdir()
    for name in SECRET_REFS:
        (mounted / name).write_text(canaries.hide(f"mounted {name}"))
    seed = folder / "bus.seed"
    seed.write_bytes(_seed())
    canaries.around["seed of the bus"] = seed.read_text()
    return hidden | {
        "HOME": str(home),
        "FLOE_NATS_SEED_FILE": str(seed),
        "FLOE_EXECUTOR_SECRETS_DIR": str(mounted),
        "FLOE_COMPILER_GIT_CREDENTIALS_FILE": str(home / ".git-credentials"),
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }


def typed_everywhere(document: dict[str, Any], canaries: Canaries, name: str) -> str:
    """The document as YAML, with a token behind every text in it that people write freely."""

    def typed(value: Any, path: str) -> Any:
        if isinstance(value, Mapping):
            return {key: typed(item, f"{path}.{key}") for key, item in value.items()}
        if isinstance(value, list):
            return [typed(item, f"{path}.{index}") for index, item in enumerate(value)]
        if not isinstance(value, str) or path.rpartition(".")[2] in ("apiVersion", "kind", "type", "mode"):
            return value
        return f"{value} {canaries.type(f'{name}{path}')}"

    return yaml.safe_dump(typed(document, ""), sort_keys=False, width=1000)


def _secret_files(canaries: Canaries, home: Path) -> dict[Path, str]:
    return {
        home / ".netrc": f"machine 127.0.0.1 login floe password {canaries.hide('.netrc')}\n",
        home / ".git-credentials": f"https://floe:{canaries.hide('.git-credentials')}@127.0.0.1:9\n",
        home / ".aws" / "credentials": f"[default]\naws_secret_access_key = {canaries.hide('.aws/credentials')}\n",
        home / ".dbt" / "profiles.yml": yaml.safe_dump(
            {"floe": {"target": "dev", "outputs": {"dev": {"type": "duckdb", "token": canaries.hide(".dbt/profiles")}}}}
        ),
        home / ".dbt" / ".user.yml": f"id: {canaries.hide('.dbt/.user.yml')}\n",
    }


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")


def _seed() -> bytes:
    seed: bytes = nkeys.encode_seed(secrets.token_bytes(32), nkeys.PREFIX_BYTE_USER)
    return seed
