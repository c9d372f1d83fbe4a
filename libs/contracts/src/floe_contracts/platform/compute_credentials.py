"""How a warehouse is opened: one section for each way that its dbt adapter knows. Secrets are named, never written."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, StringConstraints, model_validator

from floe_contracts.secret_refs import SecretRef
from floe_contracts.sections import Section

SectionT = TypeVar("SectionT", bound=Section)
Text = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
"""A value that the adapter takes as it is."""

Identity = Text | SecretRef
"""Who somebody is: not a secret by itself, and often kept beside one."""


class UserPassword(Section):
    """A user of the warehouse, by password."""

    mode: Literal["password"] = Field(description="The kind of credentials.")
    user: Identity = Field(description="The user.")
    password: SecretRef = Field(description="The user's password.")


class SnowflakeKeyPair(Section):
    """A user of Snowflake, by key pair."""

    mode: Literal["key_pair"] = Field(description="The kind of credentials.")
    user: Identity = Field(description="The user.")
    private_key: SecretRef | None = Field(default=None, description="The private key: PEM, or DER in base64.")
    private_key_path: Identity | None = Field(default=None, description="File of the private key, where the run is.")
    private_key_passphrase: SecretRef | None = Field(default=None, description="What opens an encrypted key.")

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if (self.private_key is None) == (self.private_key_path is None):
            raise ValueError("needs privateKey or privateKeyPath, and not both")
        return self


class SnowflakeOAuth(Section):
    """A token of OAuth: an access token, or with a client a refresh token."""

    mode: Literal["oauth"] = Field(description="The kind of credentials.")
    user: Identity | None = Field(default=None, description="The user; left out, the token says it.")
    token: SecretRef = Field(description="The access token; with a client, its refresh token.")
    client_id: Identity | None = Field(default=None, description="The client that turns the refresh token in.")
    client_secret: SecretRef | None = Field(default=None, description="The client's secret.")

    @model_validator(mode="after")
    def _whole_client(self) -> Self:
        return _together(self, "client_id", "client_secret")


class BigQueryOAuth(Section):
    """What the worker itself is to Google: workload identity, or gcloud's default credentials."""

    mode: Literal["oauth"] = Field(description="The kind of credentials.")


class BigQueryServiceAccount(Section):
    """The key file of a service account."""

    mode: Literal["service_account"] = Field(description="The kind of credentials.")
    keyfile: Identity = Field(description="The key file, where the run is.")


class BigQueryServiceAccountJson(Section):
    """The fields of a service account's key file, one by one: the key alone is a secret."""

    mode: Literal["service_account_json"] = Field(description="The kind of credentials.")
    client_email: Identity = Field(description="`client_email` of the key file.")
    private_key: SecretRef = Field(description="`private_key` of the key file.")
    private_key_id: Identity | None = Field(default=None, description="`private_key_id` of the key file.")
    project_id: Identity | None = Field(default=None, description="`project_id` of the key file.")
    client_id: Identity | None = Field(default=None, description="`client_id` of the key file.")
    token_uri: Text = Field(default="https://oauth2.googleapis.com/token", description="`token_uri` of the key file.")


class _RedshiftIam(Section):
    cluster_id: Text | None = Field(default=None, description="The provisioned cluster.")
    workgroup: Text | None = Field(default=None, description="The serverless workgroup.")
    account_id: Text | None = Field(default=None, description="Account of the workgroup, where it is another one.")
    region: Text | None = Field(default=None, description="Region of the cluster; left out, the worker's own.")
    iam_profile: Text | None = Field(default=None, description="Profile of the worker's AWS configuration.")

    @model_validator(mode="after")
    def _one_cluster(self) -> Self:
        if (self.cluster_id is None) == (self.workgroup is None):
            raise ValueError("needs clusterId or workgroup, and not both")
        return self


class RedshiftIam(_RedshiftIam):
    """A user of the database, by temporary credentials of IAM."""

    mode: Literal["iam"] = Field(description="The kind of credentials.")
    user: Identity = Field(description="The user of the database.")
    access_key_id: SecretRef | None = Field(default=None, description="Left out, the worker's own credentials hold.")
    secret_access_key: SecretRef | None = Field(default=None, description="The secret of the access key.")
    autocreate: bool = Field(default=False, description="Whether a user that does not exist is made.")
    db_groups: tuple[Text, ...] = Field(default=(), description="Groups that the user joins.")

    @model_validator(mode="after")
    def _whole_key(self) -> Self:
        return _together(self, "access_key_id", "secret_access_key")


class RedshiftIamRole(_RedshiftIam):
    """The role of the worker; Redshift names the user after it."""

    mode: Literal["iam_role"] = Field(description="The kind of credentials.")


class DatabricksToken(Section):
    """A personal access token."""

    mode: Literal["token"] = Field(description="The kind of credentials.")
    token: SecretRef = Field(description="The token.")


class DatabricksOAuth(Section):
    """A service principal, by OAuth client credentials."""

    mode: Literal["oauth"] = Field(description="The kind of credentials.")
    client_id: Identity = Field(description="The service principal.")
    client_secret: SecretRef = Field(description="Its OAuth secret.")


def _together(section: SectionT, first: str, second: str) -> SectionT:
    if (getattr(section, first) is None) != (getattr(section, second) is None):
        fields = type(section).model_fields
        raise ValueError(f"{fields[first].alias} and {fields[second].alias} go together")
    return section


SnowflakeCredentials = Annotated[UserPassword | SnowflakeKeyPair | SnowflakeOAuth, Field(discriminator="mode")]
BigQueryCredentials = Annotated[
    BigQueryOAuth | BigQueryServiceAccount | BigQueryServiceAccountJson, Field(discriminator="mode")
]
RedshiftCredentials = Annotated[UserPassword | RedshiftIam | RedshiftIamRole, Field(discriminator="mode")]
DatabricksCredentials = Annotated[DatabricksToken | DatabricksOAuth, Field(discriminator="mode")]
