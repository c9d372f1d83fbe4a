"""The table that profiles are generated from: a row for each warehouse, a property for each of its fields.

The names on the right are those of the adapters' credential classes; `make test-adapters` checks them against those.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from floe_contracts.plugins.targets import Mode, Property, Warehouse
from floe_dbt.profiles.rows import identity, inside, required, same, secret

_CREDENTIALS: Final = "credentials"
_CONNECTION: Final = "connection"
_SCHEMA: Final = Property("schema_name", "schema", required=True)
_KEYFILE: Final = "keyfile_json"


def _opened(*properties: Property, **constants: str) -> Mode:
    return Mode(inside(_CREDENTIALS, *properties), constants)


def _reached(*properties: Property, **constants: str) -> Mode:
    return Mode(inside(_CONNECTION, *properties), constants)


_PASSWORD: Final = (identity("user"), secret("password"))

_DUCKDB: Final = Warehouse(
    (
        Property("memory_limit", "config_options.memory_limit"),
        Property("max_temp_directory_size", "config_options.max_temp_directory_size"),
        Property("preserve_insertion_order", "config_options.preserve_insertion_order", "flag"),
        Property("null_order", "config_options.default_null_order"),
    )
)

_SNOWFLAKE: Final = Warehouse(
    (
        *required("account", "database"),
        _SCHEMA,
        *same("warehouse", "role", "query_tag", "host"),
        *same("client_session_keep_alive", "reuse_connections", "retry_on_database_errors", "retry_all", kind="flag"),
        *same("connect_retries", "connect_timeout", kind="integer"),
    ),
    _CREDENTIALS,
    {
        "password": _opened(*_PASSWORD),
        "key_pair": _opened(
            identity("user"),
            secret("private_key", required=False),
            identity("private_key_path", required=False),
            secret("private_key_passphrase", required=False),
        ),
        "oauth": _opened(
            identity("user", required=False),
            secret("token"),
            identity("client_id", "oauth_client_id", required=False),
            secret("client_secret", "oauth_client_secret", required=False),
            authenticator="oauth",
        ),
    },
)

_BIGQUERY: Final = Warehouse(
    (
        *required("project", "dataset"),
        *same("location", "execution_project", "quota_project", "priority", "reservation"),
        *same("impersonate_service_account", "api_endpoint"),
        *same("maximum_bytes_billed", "job_retries", "job_retry_deadline_seconds", kind="integer"),
        *same("job_creation_timeout_seconds", "job_execution_timeout_seconds", kind="integer"),
    ),
    _CREDENTIALS,
    {
        "oauth": _opened(method="oauth"),
        "service_account": _opened(identity("keyfile"), method="service-account"),
        "service_account_json": _opened(
            identity("client_email", f"{_KEYFILE}.client_email"),
            secret("private_key", f"{_KEYFILE}.private_key"),
            Property("token_uri", f"{_KEYFILE}.token_uri", required=True),
            identity("private_key_id", f"{_KEYFILE}.private_key_id", required=False),
            identity("project_id", f"{_KEYFILE}.project_id", required=False),
            identity("client_id", f"{_KEYFILE}.client_id", required=False),
            **{"method": "service-account-json", f"{_KEYFILE}.type": "service_account"},
        ),
    },
)

_REDSHIFT_CLUSTER: Final = (
    *same("cluster_id", "region", "iam_profile"),
    Property("workgroup", "serverless_work_group"),
    Property("account_id", "serverless_acct_id"),
)

_REDSHIFT: Final = Warehouse(
    (
        *required("host"),
        *required("port", kind="integer"),
        Property("database", "dbname", required=True),
        _SCHEMA,
        *same("role", "query_group"),
        Property("ssl_mode", "sslmode"),
        *same("connect_timeout", "retries", kind="integer"),
        *same("ra3_node", kind="flag"),
    ),
    _CREDENTIALS,
    {
        "password": _opened(*_PASSWORD, method="database"),
        "iam": _opened(
            identity("user"),
            *_REDSHIFT_CLUSTER,
            secret("access_key_id", required=False),
            secret("secret_access_key", required=False),
            *same("autocreate", kind="flag"),
            *same("db_groups", kind="texts"),
            method="iam",
        ),
        "iam_role": _opened(*_REDSHIFT_CLUSTER, method="iam_role"),
    },
)

_DATABRICKS: Final = Warehouse(
    (
        *required("host", "http_path"),
        _SCHEMA,
        *same("catalog", "query_tags"),
        *same("session_properties", kind="map"),
        *same("connect_retries", "connect_timeout", kind="integer"),
        *same("retry_all", kind="flag"),
    ),
    _CREDENTIALS,
    {
        "token": _opened(secret("token")),
        "oauth": _opened(identity("client_id"), secret("client_secret"), auth_type="oauth"),
    },
)

_POSTGRES: Final = Warehouse(
    (
        *required("host"),
        *required("port", kind="integer"),
        *_PASSWORD,
        Property("database", "dbname", required=True),
        _SCHEMA,
        *same("role", "search_path", "application_name"),
        Property("ssl_mode", "sslmode"),
        Property("ssl_cert", "sslcert"),
        Property("ssl_key", "sslkey"),
        Property("ssl_root_cert", "sslrootcert"),
        *same("connect_timeout", "keepalives_idle", "retries", kind="integer"),
    )
)

_SPARK: Final = Warehouse(
    (
        _SCHEMA,
        *same("server_side_parameters", kind="map"),
        *same("connect_retries", "connect_timeout", "query_timeout", kind="integer"),
        *same("retry_all", kind="flag"),
    ),
    _CONNECTION,
    {
        "thrift": _reached(
            *required("host"),
            *required("port", kind="integer"),
            identity("user", required=False),
            secret("password", required=False),
            *same("auth", "kerberos_service_name"),
            *same("use_ssl", kind="flag"),
            method="thrift",
        ),
        "http": _reached(
            *required("host", "cluster"),
            *required("port", kind="integer"),
            secret("token"),
            identity("user", required=False),
            *same("organization"),
            method="http",
        ),
        "odbc": _reached(
            *required("host", "driver"),
            *required("port", kind="integer"),
            secret("token", required=False),
            identity("user", required=False),
            *same("cluster", "endpoint", "connection_string_suffix", "organization"),
            method="odbc",
        ),
        "session": _reached(method="session", host="NA"),  # the adapter wants a host, and asks for nothing there
    },
)

WAREHOUSES: Final[Mapping[str, Warehouse]] = {
    "duckdb": _DUCKDB,
    "snowflake": _SNOWFLAKE,
    "bigquery": _BIGQUERY,
    "redshift": _REDSHIFT,
    "databricks": _DATABRICKS,
    "postgres": _POSTGRES,
    "spark": _SPARK,
}
"""Every type of compute, by the name of its dbt adapter."""
