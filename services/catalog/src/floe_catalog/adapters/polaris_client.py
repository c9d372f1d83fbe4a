"""Speaking with Apache Polaris as its administrator, through its official client.

The client takes a second of CPU to import, so that this module is imported only when somebody asks for access.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from apache_polaris.sdk import catalog, management  # type: ignore[import-untyped]
from apache_polaris.sdk.catalog.exceptions import ApiException as CatalogException  # type: ignore[import-untyped]
from apache_polaris.sdk.management.exceptions import ApiException as ManagementException  # type: ignore[import-untyped]
from urllib3.exceptions import HTTPError

from floe_catalog.core.polaris_servers import REALM_HEADER, PolarisServer
from floe_catalog.errors import AccessRefused, AccessUnreadable
from floe_lakehouse.errors import CatalogUnreachable

_ALL_ROLES: Final = "PRINCIPAL_ROLE:ALL"
_SECONDS: Final = 20.0
_FIRST_FAILURE: Final = 300
_FIRST_DEFECT: Final = 500
_UNAUTHORIZED: Final = frozenset({401, 403})
_PASSING: Final = frozenset({408, 425, 429})

ABSENT: Final = frozenset({404})
EXISTS: Final = frozenset({409})


@dataclass(frozen=True, slots=True)
class PolarisSession:
    """An administrator who has logged in.

    Attributes:
        management: the client's API of principals, roles and grants.
        catalog: the client's API of namespaces and tables.
    """

    management: Any
    catalog: Any


def login(server: PolarisServer) -> PolarisSession:
    """Log in as the administrator. Blocks.

    Raises:
        CatalogUnreachable: the server does not answer.
        AccessRefused: it does not take the credentials.
    """
    headers = {REALM_HEADER: server.realm} if server.realm else {}
    anonymous = catalog.ApiClient(catalog.Configuration(host=server.catalog_uri, retries=False))
    token = ask(
        "log in",
        catalog.IcebergOAuth2API(anonymous).get_token,
        grant_type="client_credentials",
        scope=_ALL_ROLES,
        client_id=server.client_id,
        client_secret=server.client_secret.get_secret_value(),
        _headers=headers,
    ).access_token
    hosts = {management: server.management_uri, catalog: server.catalog_uri}
    clients = {
        part: part.ApiClient(part.Configuration(host=host, access_token=token, retries=False))
        for part, host in hosts.items()
    }
    for client in clients.values():
        client.default_headers.update(headers)
    return PolarisSession(
        management.PolarisDefaultApi(clients[management]), catalog.IcebergCatalogAPI(clients[catalog])
    )


def ask(what: str, method: Callable[..., Any], *arguments: Any, unless: Collection[int] = (), **named: Any) -> Any:
    """Call a method of the client for its answer; None if the server answers with one of the status codes of `unless`.

    Args:
        what: to do what, for messages.
        method: of the client.
        arguments: of the method.
        unless: status codes that are no failure here.
        named: of the method.

    Raises:
        CatalogUnreachable: the server does not answer, or not now.
        AccessRefused: it refuses.
        AccessUnreadable: the client does not understand the answer.
    """
    try:
        with _asking(what):
            return method(*arguments, _request_timeout=_SECONDS, **named)
    except (ManagementException, CatalogException) as error:
        if error.status in unless:
            return None
        raise _refusal(what, error.status, error.body) from None  # the client's own text repeats headers


def change(what: str, api: Any, method: str, *arguments: Any, unless: Collection[int] = (), **named: Any) -> None:
    """Call a method of the client to change something, whatever the server says of it beside its status code.

    Servers of some versions answer with nothing where the client, which follows the newest, wants a document.

    Args:
        what: to do what, for messages.
        api: of the client.
        method: name of its method.
        arguments: of the method.
        unless: status codes that are no failure here.
        named: of the method.

    Raises:
        CatalogUnreachable: the server does not answer, or not now.
        AccessRefused: it refuses.
    """
    call = getattr(api, f"{method}_without_preload_content")
    with _asking(what):
        answered = call(*arguments, _request_timeout=_SECONDS, **named)
        body = answered.data
    if answered.status >= _FIRST_FAILURE and answered.status not in unless:
        raise _refusal(what, answered.status, body.decode(errors="replace"))


@contextmanager
def _asking(what: str) -> Iterator[None]:
    try:
        yield
    except HTTPError as error:
        raise CatalogUnreachable(
            f"Polaris does not answer, asked to {what}: {type(error).__name__}",
            hint="see whether it runs, and FLOE_CATALOG_POLARIS_URI",
        ) from None
    except ValueError as error:  # of JSON and of the client's models; their text may repeat a secret
        raise AccessUnreadable(
            f"what Polaris answers, asked to {what}, is not understood: {type(error).__name__}",
            hint="is its version another than the client's?",
        ) from None


def _refusal(what: str, status: int, body: str | None) -> CatalogUnreachable | AccessRefused:
    reason = _reason(body)
    told = f"{status}, {reason}" if reason else str(status)
    if status >= _FIRST_DEFECT or status in _PASSING:
        return CatalogUnreachable(f"Polaris cannot {what} now: {told}", hint="ask again later")
    hint = (
        "the administrator of FLOE_CATALOG_POLARIS_CLIENT_ID needs the principal role service_admin, "
        "and catalog_admin of the catalog"
    )
    return AccessRefused(f"Polaris refuses to {what}: {told}", hint=hint if status in _UNAUTHORIZED else None)


def _reason(body: str | None) -> str:
    """The server's own words: Iceberg's form of an error, or OAuth2's."""
    try:
        document = json.loads(body or "")
    except ValueError:
        return ""
    error = document.get("error") if isinstance(document, dict) else None
    told = error.get("message") if isinstance(error, dict) else error
    return told if isinstance(told, str) else ""
