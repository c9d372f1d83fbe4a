"""How something outside is opened. Secrets are named, never written."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from floe_contracts.secret_refs import SecretName, SecretRef
from floe_contracts.sections import ARN_PATTERN, Section


class StaticCredentials(Section):
    """A pair of keys, both in one secret."""

    mode: Literal["static"] = Field(description="The kind of credentials.")
    secret_ref: SecretName = Field(description="Name of the secret that holds the access key and its secret key.")


class BearerCredentials(Section):
    """A token that is sent as it is."""

    mode: Literal["bearer"] = Field(description="The kind of credentials.")
    token: SecretRef = Field(description="The token.")


class OAuth2Credentials(Section):
    """OAuth2 client credentials."""

    mode: Literal["oauth2"] = Field(description="The kind of credentials.")
    client_id: str | SecretRef = Field(description="The client; its id is no secret, and may be one.")
    client_secret: SecretRef = Field(description="The client's secret.")
    scope: str | None = Field(default=None, description="What is asked for, as in PRINCIPAL_ROLE:analyst.")
    server_uri: str | None = Field(default=None, description="Token endpoint; left out, the catalog's own.")


class IamRoleCredentials(Section):
    """A role of AWS that the worker takes on."""

    mode: Literal["iam_role"] = Field(description="The kind of credentials.")
    role_arn: Annotated[str, StringConstraints(pattern=ARN_PATTERN)] = Field(description="The role.")


class ServiceAccountCredentials(Section):
    """What the worker itself is to the cloud: workload identity, managed identity, instance profile."""

    mode: Literal["service_account"] = Field(description="The kind of credentials.")
    name: str | None = Field(default=None, description="The account, where the worker has more than one.")


StorageCredentials = Annotated[
    StaticCredentials | IamRoleCredentials | ServiceAccountCredentials, Field(discriminator="mode")
]
CatalogCredentials = Annotated[
    OAuth2Credentials | BearerCredentials | StaticCredentials | IamRoleCredentials | ServiceAccountCredentials,
    Field(discriminator="mode"),
]
