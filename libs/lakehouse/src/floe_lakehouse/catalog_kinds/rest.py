"""The plugin `rest`: catalogs that speak the Iceberg REST protocol; `polaris` and `nessie` open theirs with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import Field
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.rest.auth import AuthManager
from pyiceberg.utils.properties import property_as_bool

from floe_contracts.plugins.metadata import API_VERSION, PluginMetadata
from floe_contracts.sections import Section
from floe_lakehouse.aws_sessions import in_role
from floe_lakehouse.catalog_kinds.bearer import Bearer
from floe_lakehouse.catalog_kinds.client_credentials import Client, ClientCredentials
from floe_lakehouse.catalog_kinds.rest_client import RestClient
from floe_lakehouse.errors import LakeUnsupported

_DEFAULT_SCOPE: Final = "catalog"
_FURTHER: Final = ("audience", "resource")
"""What a token can be asked for beside its scope, by pyiceberg's names for these properties."""
_SIGNED: Final = "rest.sigv4-enabled"


class RestOptions(Section):
    """Where the server is and how it is opened: freely, by a token, by OAuth2, or signed (`rest.sigv4-enabled`)."""

    uri: str = Field(description="Address of the catalog.")
    warehouse: str | None = Field(default=None, description="The warehouse in it.")
    credential: str | None = Field(default=None, repr=False, description="CLIENT_ID:CLIENT_SECRET of OAuth2.")
    token: str | None = Field(default=None, repr=False, description="A token that is sent as it is.")
    scope: str = Field(default=_DEFAULT_SCOPE, description="What a token is asked for.")
    server_uri: str | None = Field(
        default=None, alias="oauth2-server-uri", description="Token endpoint; left out, the catalog's own."
    )
    renewed: bool = Field(
        default=True, alias="token-refresh-enabled", description="Whether a token is renewed before it ends."
    )
    delegation: Literal["vended-credentials", "remote-signing", "none"] = Field(
        default="vended-credentials", alias="access-delegation", description="Who opens the storage."
    )
    namespace: str | None = Field(default=None, description="Below which all others stand, its levels by dots.")


class RestPlugin:
    """Any server of the protocol."""

    metadata = PluginMetadata("rest", "1.0.0", API_VERSION, "Any server of the Iceberg REST protocol.")
    options = RestOptions

    def open(self, name: str, options: RestOptions, properties: Mapping[str, str]) -> Catalog:
        return open_rest(name, options, options.uri, properties)


def open_rest(
    name: str, options: RestOptions, uri: str, properties: Mapping[str, str], client: type[RestClient] = RestClient
) -> Catalog:
    """Open the catalog that speaks the protocol at `uri`.

    Raises:
        LakeUnsupported: the storage is to be opened in a way that floe's readers and writers do not know.
    """
    if options.delegation == "remote-signing":
        raise LakeUnsupported(
            "the catalog signs each request to the storage, and neither of floe's readers and writers asks for that",
            hint="let accessDelegation be vended-credentials, or none and give the storage credentials",
        )
    signed = property_as_bool(dict(properties), _SIGNED, False)
    return client(
        name,
        identity=_identity(options, properties),
        vended=options.delegation == "vended-credentials",
        root=tuple(options.namespace.split(".")) if options.namespace else (),
        **{**(in_role(properties) if signed else properties), "uri": uri},
        **({"warehouse": options.warehouse} if options.warehouse else {}),
    )


def _identity(options: RestOptions, properties: Mapping[str, str]) -> AuthManager | None:
    if not options.credential:
        return Bearer(options.token) if options.token else None
    client_id, divided, secret = options.credential.partition(":")
    if not divided:
        client_id, secret = "", options.credential
    further = {name: properties[name] for name in _FURTHER if name in properties}
    server = options.server_uri or f"{options.uri.rstrip('/')}/v1/oauth/tokens"
    client = Client(client_id, secret, server, {"scope": options.scope, **further})
    return ClientCredentials(client, renewed_early=options.renewed)
