"""Where tables are built: a section for each of the seven warehouses, with what its dbt adapter needs.

A field that an adapter requires is required here, so that a profile which dbt would refuse is a problem of the
document. `mode` names the way in, as it does in the credentials of catalogs.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from floe_contracts.platform.compute_credentials import (
    BigQueryCredentials,
    DatabricksCredentials,
    Identity,
    RedshiftCredentials,
    SnowflakeCredentials,
    Text,
)
from floe_contracts.platform.spark_connections import Port, SparkConnection
from floe_contracts.secret_refs import SecretRef
from floe_contracts.sections import Memory, Section

Threads = Annotated[int, Field(ge=1, le=64)]
Seconds = Annotated[int, Field(ge=1, le=86_400)]
Retries = Annotated[int, Field(ge=0, le=20)]
SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]


class DuckDbCompute(Section):
    """DuckDB in the worker, shut in: it reads and writes the product's own folders, and loads no extension."""

    type: Literal["duckdb"] = Field(description="The kind of compute.")
    threads: Threads = Field(default=2, description="Threads of DuckDB.")
    memory_limit: Memory = Field(default="1GB", description="Memory of DuckDB.")
    max_temp_directory_size: Memory | None = Field(
        default=None, description="How much of what exceeds the memory may stand on disk; left out, 90 % of it."
    )
    preserve_insertion_order: bool | None = Field(
        default=None, description="Left out, true; false takes less memory, and rows come in any order."
    )
    null_order: Literal["nulls_first", "nulls_last"] | None = Field(
        default=None, description="Where `order by` puts nulls; left out, last."
    )


class _Warehouse(Section):
    threads: Threads = Field(default=4, description="Nodes that dbt builds at the same time.")
    schema_name: Text = Field(alias="schema", description="Schema of the tables.")


class SnowflakeCompute(_Warehouse):
    """Snowflake."""

    type: Literal["snowflake"] = Field(description="The kind of compute.")
    account: Text = Field(description="The account, as in xy12345.eu-central-1.")
    credentials: SnowflakeCredentials = Field(description="How it is opened.")
    database: Text = Field(description="Database of the tables.")
    warehouse: Text | None = Field(default=None, description="The warehouse; left out, the user's own.")
    role: Text | None = Field(default=None, description="The role; left out, the user's own.")
    query_tag: Text | None = Field(default=None, description="Put on every query.")
    host: Text | None = Field(default=None, description="Address of the account, where it is not the usual one.")
    client_session_keep_alive: bool = Field(default=False, description="Whether a session outlasts four idle hours.")
    reuse_connections: bool | None = Field(default=None, description="Left out, true unless sessions are kept alive.")
    connect_retries: Retries = Field(default=1, description="Attempts after one that failed.")
    connect_timeout: Seconds | None = Field(default=None, description="Seconds between two attempts.")
    retry_on_database_errors: bool = Field(default=False, description="Whether errors of the database count, too.")
    retry_all: bool = Field(default=False, description="Whether every error counts.")


class BigQueryCompute(Section):
    """Google BigQuery."""

    type: Literal["bigquery"] = Field(description="The kind of compute.")
    threads: Threads = Field(default=4, description="Nodes that dbt builds at the same time.")
    credentials: BigQueryCredentials = Field(description="How it is opened.")
    project: Text = Field(description="Project of the tables.")
    dataset: Text = Field(description="Dataset of the tables.")
    location: Text | None = Field(default=None, description="Where datasets are made, as in EU.")
    execution_project: Text | None = Field(default=None, description="Project that pays; left out, `project`.")
    quota_project: Text | None = Field(default=None, description="Project whose quota counts.")
    priority: Literal["interactive", "batch"] | None = Field(default=None, description="Priority of queries.")
    maximum_bytes_billed: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="A query that would read more fails."
    )
    reservation: Text | None = Field(default=None, description="The reservation that queries run in.")
    impersonate_service_account: Text | None = Field(default=None, description="Account that is taken on.")
    api_endpoint: Text | None = Field(default=None, description="Address, where it is not the usual one.")
    job_retries: Retries = Field(default=1, description="Attempts after one that failed.")
    job_retry_deadline_seconds: Seconds | None = Field(default=None, description="How long is tried again.")
    job_creation_timeout_seconds: Seconds | None = Field(default=None, description="Longest wait for a job's begin.")
    job_execution_timeout_seconds: Seconds | None = Field(default=None, description="Longest wait for a job's end.")


class RedshiftCompute(_Warehouse):
    """Amazon Redshift."""

    type: Literal["redshift"] = Field(description="The kind of compute.")
    host: Text = Field(description="The cluster's or workgroup's address.")
    port: Port = Field(default=5439, description="Its port.")
    credentials: RedshiftCredentials = Field(description="How it is opened.")
    database: Text = Field(description="Database of the tables.")
    role: Text | None = Field(default=None, description="Role that is set after connecting.")
    ssl_mode: SslMode = Field(default="prefer", description="How the connection is encrypted.")
    connect_timeout: Seconds | None = Field(default=None, description="Longest wait for a connection, in seconds.")
    retries: Retries = Field(default=1, description="Attempts after one that failed.")
    ra3_node: bool = Field(default=False, description="Whether tables of other databases can be read.")
    query_group: Text | None = Field(default=None, description="Group that queries are counted to.")


class DatabricksCompute(_Warehouse):
    """Databricks."""

    type: Literal["databricks"] = Field(description="The kind of compute.")
    host: Text = Field(description="The workspace, as in x.cloud.databricks.com.")
    http_path: Text = Field(description="Path of the SQL warehouse or the cluster.")
    credentials: DatabricksCredentials = Field(description="How it is opened.")
    catalog: Text | None = Field(default=None, description="Catalog of the tables; left out, the Hive metastore.")
    session_properties: dict[Text, Text] = Field(default={}, description="Set in every session.")
    query_tags: Text | None = Field(default=None, description="Put on every query, as a JSON object.")
    connect_retries: Retries = Field(default=1, description="Attempts after one that failed.")
    connect_timeout: Seconds | None = Field(default=None, description="Longest wait for a connection, in seconds.")
    retry_all: bool = Field(default=False, description="Whether every error counts.")


class PostgresCompute(_Warehouse):
    """PostgreSQL."""

    type: Literal["postgres"] = Field(description="The kind of compute.")
    host: Text = Field(description="The server.")
    port: Port = Field(default=5432, description="Its port.")
    user: Identity = Field(description="The user.")
    password: SecretRef = Field(description="The user's password.")
    database: Text = Field(description="Database of the tables.")
    role: Text | None = Field(default=None, description="Role that is set after connecting.")
    search_path: Text | None = Field(default=None, description="Schemas that names are looked up in.")
    ssl_mode: SslMode | None = Field(default=None, description="How the connection is encrypted; left out, prefer.")
    ssl_cert: Text | None = Field(default=None, description="File of the client's certificate, where the run is.")
    ssl_key: Text | None = Field(default=None, description="File of the client's key, where the run is.")
    ssl_root_cert: Text | None = Field(default=None, description="File of the authority, where the run is.")
    application_name: Text = Field(default="dbt", description="What the server calls the connection.")
    connect_timeout: Seconds = Field(default=10, description="Longest wait for a connection, in seconds.")
    keepalives_idle: Annotated[int, Field(ge=0)] = Field(
        default=0, description="Idle seconds before the first keepalive; 0 is the system's own."
    )
    retries: Retries = Field(default=1, description="Attempts after one that failed.")


class SparkCompute(_Warehouse):
    """Apache Spark."""

    type: Literal["spark"] = Field(description="The kind of compute.")
    connection: SparkConnection = Field(description="How it is reached.")
    server_side_parameters: dict[Text, Text] = Field(default={}, description="Spark's configuration in every session.")
    connect_retries: Retries = Field(default=0, description="Attempts after one that failed.")
    connect_timeout: Seconds = Field(default=10, description="Seconds between two attempts.")
    retry_all: bool = Field(default=False, description="Whether every error counts.")
    query_timeout: Seconds | None = Field(default=None, description="Longest wait for a query; thrift and http only.")


Compute = Annotated[
    DuckDbCompute
    | SnowflakeCompute
    | BigQueryCompute
    | RedshiftCompute
    | DatabricksCompute
    | PostgresCompute
    | SparkCompute,
    Field(discriminator="type"),
]
