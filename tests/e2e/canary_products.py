"""Products around which secrets stand: one that is sound, and some that are after them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from canary_places import Canaries

WITNESS: Final = "witness0f3a9c"
"""Name of the products, and a value in their table: no secret, and every search has to see it."""
FLOE: Final[Mapping[str, Any]] = {
    "apiVersion": "floe.dev/v1",
    "kind": "FloeSpec",
    "metadata": {
        "name": WITNESS,
        "version": "1.0.0",
        "description": "what it is",
        "owner": "shop",
        "labels": {"domain": "sales"},
    },
    "transforms": [
        {
            "type": "dbt",
            "path": "dbt",
            "models": {
                "peek": {"tags": ["daily"], "qualityChecks": [{"name": "unset", "type": "not_null", "column": "a"}]}
            },
        }
    ],
    "schedule": {"cron": "0 6 * * *", "timezone": "UTC"},
    "governance": {
        "rules": {
            "required": {"meta": [{"fields": ["owner"], "appliesTo": "none_*"}]},
            "overrides": [
                {
                    "rule": "FLOE-GOV-210",
                    "models": "none_*",
                    "action": "downgrade",
                    "reason": "for a while",
                    "expires": "2030-01-01",
                }
            ],
        }
    },
    "observability": {"attributes": {"team": "shop"}},
    "outputPorts": [{"name": "peek", "description": "what it offers"}],
    "destinations": [
        {"name": "crm", "type": "webhook", "models": ["peek"], "options": {"path": "in"}, "secretRef": "crm-token"}
    ],
}
"""A floe.yaml with many texts that people write freely."""
PLATFORM: Final[Mapping[str, Any]] = {
    "apiVersion": "floe.dev/v1",
    "kind": "PlatformSpec",
    "metadata": {"name": "local", "version": "1.0.0", "description": "a laptop", "owner": "platform"},
    "environments": {
        "dev": {"profiles": {"default": {"compute": "duckdb", "storage": "local", "catalog": "local"}}},
        "prod": {
            "refs": ["main"],
            "profiles": {"default": {"compute": "duckdb", "storage": "lake", "catalog": "polaris"}},
            "policies": {"pii": {"action": "mask", "requiresRole": ["owner"]}},
        },
    },
    "compute": {
        "duckdb": {"type": "duckdb", "threads": 1},
        "warehouse": {
            "type": "snowflake",
            "account": "xy1.eu",
            "database": "d",
            "schema": "s",
            "queryTag": "floe",
            "credentials": {
                "mode": "password",
                "user": {"secretRef": "warehouse-user"},
                "password": {"secretRef": "warehouse-password"},
            },
        },
    },
    "storage": {
        "local": {"type": "local"},
        "lake": {
            "type": "s3",
            "bucket": "lake",
            "endpoint": "https://s3.example.com",
            "credentials": {"mode": "static", "secretRef": "lake-keys"},
        },
    },
    "catalogs": {
        "local": {"type": "sql"},
        "polaris": {
            "type": "polaris",
            "uri": "https://polaris.example.com/api/catalog",
            "warehouse": "w",
            "properties": {"header.X-Team": "shop"},
            "credentials": {
                "mode": "oauth2",
                "clientId": {"secretRef": "catalog-client"},
                "clientSecret": {"secretRef": "catalog-secret"},
                "scope": "all",
            },
        },
    },
    "bus": {"servers": ["nats://bus:4222"], "seedRef": "warehouse-user"},
    "observability": {"attributes": {"cluster": "laptop"}, "otlpEndpoint": "https://collector.example.com"},
}
"""A platform that names a secret in every place where one can be named."""
_PROJECT: Final = """\
name: shop
version: '1.0'
profile: floe
models: {shop: {+materialized: table}}
"""
_READ: Final = (
    *("SNOWFLAKE_PASSWORD", "WAREHOUSE_PASSWORD", "LAKE_KEYS", "GITHUB_TOKEN", "DATABASE_URL", "HTTPS_PROXY"),
    *("DBT_CLOUD_API_KEY", "FLOE_NATS_SEED_FILE", "FLOE_NATS_URL", "OTEL_EXPORTER_OTLP_HEADERS"),
)
"""Variables that the sound product asks for, each with a default."""
PEEK: Final = (
    "{% if execute %}{% do log(target ~ invocation_args_dict, info=true) %}{% endif %}\nselect "
    + ", ".join(f"'{{{{ env_var('{name}', 'unset') }}}}' as {chr(97 + index)}" for index, name in enumerate(_READ))
    + f", '{WITNESS}' as witness\n"
)
PEEKED: Final = (*(["unset"] * len(_READ)), WITNESS)
"""The row that the model builds."""
_PRINTED: Final = " ~ ".join(f"env_var('{name}', 'unset')" for name in _READ)
THIEVES: Final[Mapping[str, tuple[str, str]]] = {
    "prints": (
        f"{{{{ exceptions.raise_compiler_error('have ' ~ {_PRINTED} ~ target ~ invocation_args_dict ~ flags) }}}}",
        "have unsetunset",
    ),
    "variable": (
        "select '{{ env_var(\"SNOWFLAKE_PASSWORD\") }}' as a",
        "a project sees no environment variables",
    ),
    "placeholder": (
        "select '{{ env_var(\"DBT_ENV_SECRET_FLOE_WAREHOUSE_PASSWORD\") }}' as a",
        "Secret env vars are allowed only in profiles.yml",
    ),
}
"""Models that go after secrets while the project is parsed: SQL, and words of the refusal."""


def thieves_at_run_time(files: Iterable[Path]) -> dict[str, str]:
    """Models that look harmless when they are parsed, and go after secrets when they are built.

    Args:
        files: secrets as files, to be read by SQL.
    """
    asking = {
        "variable": "env_var('SNOWFLAKE_PASSWORD')",
        "placeholder": "env_var('DBT_ENV_SECRET_FLOE_WAREHOUSE_PASSWORD')",
        "printing": f"exceptions.raise_compiler_error('have ' ~ {_PRINTED} ~ target)",
        "climbing": "cycler.__init__.__globals__.os.environ",
    }
    read = ["/proc/self/environ", "/proc/*/environ", *map(str, files)]
    return {
        **{
            f"thief_{name}": f"select '{{% if execute %}}{{{{ {code} }}}}{{% endif %}}' as a"
            for name, code in asking.items()
        },
        **{f"thief_reads_{index}": f"select content as a from read_text('{file}')" for index, file in enumerate(read)},
    }


def project(models: Mapping[str, str]) -> dict[str, str]:
    """The files of a dbt project with these models."""
    return {"dbt/dbt_project.yml": _PROJECT, **{f"dbt/models/{name}.sql": sql for name, sql in models.items()}}


def with_mistakes(canaries: Canaries) -> dict[str, str]:
    """Files of a sound product in which somebody has left secrets, where floe reads none of them."""
    return {
        ".env": f"TOKEN={canaries.type('.env')}\n",
        "dbt/.env": f"TOKEN={canaries.type('dbt/.env')}\n",
        "dbt/profiles.yml": f"floe: {{target: dev, outputs: {{dev: {{password: {canaries.type('profiles.yml')}}}}}}}\n",
        "dbt/dbt_project.yml": f"{_PROJECT}vars: {{crm_token: {canaries.type('vars')}}}\n",
        "contracts/peek.yaml": contract(canaries.type("servers of a contract")),
    }


def contract(password: str, *, written_out: bool = False) -> str:
    """A data contract of the model `peek` whose servers hold a password.

    The standard has no field for it, so people put it into addresses and properties; `written_out`, in a field all the
    same.
    """
    field = f", password: {password}" if written_out else ""
    return (
        "apiVersion: v3.1.0\nkind: DataContract\nid: peek\nversion: 1.0.0\n"
        "servers:\n"
        f"  - {{server: db, type: postgres, host: db, database: d, schema: s, port: 5432{field}}}\n"
        f"  - {{server: url, type: custom, location: 'postgresql://floe:{password}@db/d'}}\n"
        f"customProperties: [{{property: password, value: {password}}}]\n"
        "schema: [{name: peek, properties: [{name: a, logicalType: string}]}]\n"
    )
