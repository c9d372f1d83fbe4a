"""How Spark is reached: one section for each method of dbt-spark."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from floe_contracts.platform.compute_credentials import Identity, Text
from floe_contracts.secret_refs import SecretRef
from floe_contracts.sections import Section

Port = Annotated[int, Field(ge=1, le=65535)]


class ThriftConnection(Section):
    """A Spark thrift server."""

    mode: Literal["thrift"] = Field(description="The kind of connection.")
    host: Text = Field(description="The server.")
    port: Port = Field(default=10000, description="Its port.")
    user: Identity | None = Field(default=None, description="The user.")
    auth: Literal["NONE", "NOSASL", "LDAP", "KERBEROS", "CUSTOM"] | None = Field(
        default=None, description="How the server asks who it is; left out, NONE."
    )
    password: SecretRef | None = Field(default=None, description="The user's password; LDAP and CUSTOM want one.")
    kerberos_service_name: Text | None = Field(default=None, description="Name of the service; KERBEROS wants it.")
    use_ssl: bool = Field(default=False, description="Whether the connection is encrypted.")

    @model_validator(mode="after")
    def _what_auth_wants(self) -> Self:
        with_password = self.auth in ("LDAP", "CUSTOM")
        if with_password and (self.user is None or self.password is None):
            raise ValueError(f"auth {self.auth} needs user and password")
        if self.password is not None and not with_password:
            raise ValueError("a password needs auth LDAP or CUSTOM")
        if (self.auth == "KERBEROS") != (self.kerberos_service_name is not None):
            raise ValueError("auth KERBEROS and kerberosServiceName go together")
        return self


class HttpConnection(Section):
    """A cluster behind an HTTP endpoint, as Databricks has them."""

    mode: Literal["http"] = Field(description="The kind of connection.")
    host: Text = Field(description="The server.")
    port: Port = Field(default=443, description="Its port.")
    cluster: Text = Field(description="The cluster.")
    token: SecretRef = Field(description="What opens it.")
    organization: Text = Field(default="0", description="The workspace, on Azure.")
    user: Identity | None = Field(default=None, description="The user.")


class OdbcConnection(Section):
    """An ODBC driver on the worker."""

    mode: Literal["odbc"] = Field(description="The kind of connection.")
    host: Text = Field(description="The server.")
    port: Port = Field(default=443, description="Its port.")
    driver: Text = Field(description="The driver: its name, or its file where the run is.")
    cluster: Text | None = Field(default=None, description="The cluster.")
    endpoint: Text | None = Field(default=None, description="The SQL endpoint.")
    connection_string_suffix: Text | None = Field(
        default=None, description="The rest of the connection string, of a server that is neither."
    )
    token: SecretRef | None = Field(default=None, description="What opens a cluster or an endpoint.")
    organization: Text = Field(default="0", description="The workspace, on Azure.")
    user: Identity | None = Field(default=None, description="The user.")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        databricks = [place for place in (self.cluster, self.endpoint) if place is not None]
        if len(databricks) > 1:
            raise ValueError("cluster and endpoint exclude each other")
        if not databricks and self.connection_string_suffix is None:
            raise ValueError("needs cluster, endpoint or connectionStringSuffix")
        if databricks and self.token is None:
            raise ValueError("a cluster or an endpoint needs a token")
        return self


class SessionConnection(Section):
    """Spark in the process of dbt."""

    mode: Literal["session"] = Field(description="The kind of connection.")


SparkConnection = Annotated[
    ThriftConnection | HttpConnection | OdbcConnection | SessionConnection, Field(discriminator="mode")
]
