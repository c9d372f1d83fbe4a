"""OAuth2's client credentials (RFC 6749, 4.4), as Iceberg REST catalogs take them.

pyiceberg has a manager that renews a token before it ends and one that renews it when the catalog refuses it; a
service that runs for weeks needs both.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote_plus

import requests
from pyiceberg.catalog.rest.auth import AuthManager
from pyiceberg.exceptions import OAuthError, ServerError

_MARGIN_SECONDS: Final = 60.0
_TIMEOUT_SECONDS: Final = (10, 30)
_FOREVER: Final = float("inf")


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks for tokens, where, and for what.

    Attributes:
        id: of the client; empty where the server asks for a secret only.
        secret: the client's.
        server_uri: the token endpoint.
        parameters: of the request beside the grant, such as `scope`.
    """

    id: str
    secret: str = field(repr=False)
    server_uri: str
    parameters: Mapping[str, str]


class ClientCredentials(AuthManager):
    """Holds a token: fetched when it is first needed, a while before it ends, and after the catalog refused it.

    Any number of threads may use it.
    """

    def __init__(self, client: Client, *, renewed_early: bool = True) -> None:
        """Nothing is fetched yet.

        Args:
            client: who asks.
            renewed_early: whether a token is renewed before it ends, or only once it is refused.
        """
        self._client = client
        self._renewed_early = renewed_early
        self._fetching = threading.Lock()
        self._token = ""
        self._good_until = 0.0

    def auth_header(self) -> str:
        """The header's value.

        Raises:
            OAuthError: the server does not know the client, or grants it nothing.
            ServerError: the server has trouble of its own.
            requests.RequestException: it does not answer.
        """
        with self._fetching:
            if not self._token or time.monotonic() >= self._good_until:
                self._fetch()
            return f"Bearer {self._token}"

    def renew(self) -> None:
        """Forget the token: the catalog has refused it."""
        with self._fetching:
            self._token = ""

    def _fetch(self) -> None:
        answer = _ask(self._client)
        self._token = str(answer["access_token"])
        lifetime = answer.get("expires_in")
        early = self._renewed_early and lifetime is not None
        self._good_until = time.monotonic() + _until_renewal(float(lifetime)) if early and lifetime else _FOREVER


def _until_renewal(lifetime: float) -> float:
    return lifetime - min(_MARGIN_SECONDS, lifetime / 2)


def _ask(client: Client) -> Mapping[str, Any]:
    """A token, for credentials in the form; by HTTP Basic where the server takes them in no form."""
    form = {"grant_type": "client_credentials", **client.parameters}
    named = {"client_id": client.id} if client.id else {}
    response = _post(client, {**form, **named, "client_secret": client.secret})
    if response.status_code in {400, 401} and client.id:
        response = _post(client, form, (quote_plus(client.id), quote_plus(client.secret)))  # RFC 6749, 2.3.1
    if response.status_code >= 500:
        raise ServerError(f"the token server {client.server_uri} answers {response.status_code}")
    try:
        answer = response.json()
    except requests.exceptions.JSONDecodeError:
        answer = {}
    if not response.ok or "access_token" not in answer:
        told = " ".join(str(answer[name]) for name in ("error", "error_description") if answer.get(name))
        reason = (told or str(response.status_code)).replace(client.secret, "***")
        raise OAuthError(f"the token server {client.server_uri} grants no token: {reason}")
    granted: Mapping[str, Any] = answer
    return granted


def _post(client: Client, form: Mapping[str, str], basic: tuple[str, str] | None = None) -> requests.Response:
    # An explicit header keeps requests from putting the credentials of a .netrc beside those of the form.
    return requests.post(client.server_uri, data=form, auth=basic or _no_header, timeout=_TIMEOUT_SECONDS)


def _no_header(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
