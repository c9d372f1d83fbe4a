"""pyiceberg's client of the Iceberg REST protocol, for a service that runs for weeks.

Beside what pyiceberg does: tokens are renewed before they end and after a refusal, every request ends, a catalog is
asked for the storage's keys only where it shall give them, and all namespaces can stand below a root.
"""

from __future__ import annotations

from contextlib import suppress
from copy import copy
from functools import partial
from typing import Any, ClassVar, Final

from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.catalog.rest.auth import AuthManager, AuthManagerAdapter, NoopAuthManager
from pyiceberg.exceptions import NamespaceAlreadyExistsError
from pyiceberg.table import Table
from pyiceberg.typedef import EMPTY_DICT, Identifier, Properties
from requests import Session

from floe_lakehouse.catalog_kinds.client_credentials import ClientCredentials

_TIMEOUT_SECONDS: Final = (10, 120)
_DELEGATION: Final = "X-Iceberg-Access-Delegation"


class RestClient(RestCatalog):
    """A catalog that is reached by the REST protocol.

    Attributes:
        past_is_elsewhere: whether the server keeps a table's past in a way of its own, so that a table's metadata name
            neither all snapshots that can be read nor all files that are needed: deleting files is the server's.
    """

    past_is_elsewhere: ClassVar[bool] = False

    def __init__(
        self,
        name: str,
        *,
        identity: AuthManager | None = None,
        vended: bool = True,
        root: Identifier = (),
        **properties: Any,
    ) -> None:
        """Ask the server for its configuration.

        Args:
            name: what the catalog is called here.
            identity: what makes the `Authorization` header; None sends none.
            vended: whether the catalog is asked for keys of the storage.
            root: the namespace below which all others stand; made with the first of them.
            properties: as `RestCatalog` takes them, without credentials.

        Raises:
            RESTError: the server refuses.
            requests.RequestException: it does not answer.
        """
        self._identity = identity or NoopAuthManager()
        self._vended = vended
        self._root = root
        super().__init__(name, **properties)
        self._whole = _without_root(self) if root else self

    def _create_session(self) -> Session:
        session = super()._create_session()
        session.auth = AuthManagerAdapter(self._identity)
        self._auth_manager = self._identity
        if not self._vended:
            del session.headers[_DELEGATION]
        session.request = partial(session.request, timeout=_TIMEOUT_SECONDS)  # type: ignore[method-assign]
        return session

    def _refresh_token(self) -> None:
        """Called after a 401 or 419, before the request is sent once more."""
        if isinstance(self._identity, ClientCredentials):
            self._identity.renew()

    # ---- the root: paths get it where they are made; what names a namespace elsewhere goes through the whole catalog

    def _encode_namespace_path(self, namespace: Identifier) -> str:
        return super()._encode_namespace_path((*self._root, *namespace))

    def create_namespace(self, namespace: str | Identifier, properties: Properties = EMPTY_DICT) -> None:
        """As in `Catalog`."""
        levels = self.identifier_to_tuple(namespace)
        if self._whole is self:
            super().create_namespace(levels, properties)
            return
        if len(levels) == 1:
            self._ensure_root()
        self._whole.create_namespace((*self._root, *levels), properties)

    def list_namespaces(self, namespace: str | Identifier = ()) -> list[Identifier]:
        """As in `Catalog`."""
        levels = self.identifier_to_tuple(namespace)
        if self._whole is self:
            plain: list[Identifier] = super().list_namespaces(levels)
            return plain
        return [found[len(self._root) :] for found in self._whole.list_namespaces((*self._root, *levels))]

    def list_tables(self, namespace: str | Identifier) -> list[Identifier]:
        """As in `Catalog`."""
        return [found[len(self._root) :] for found in super().list_tables(namespace)]

    def rename_table(self, from_identifier: str | Identifier, to_identifier: str | Identifier) -> Table:
        """As in `Catalog`."""
        source, target = map(self.identifier_to_tuple, (from_identifier, to_identifier))
        if self._whole is self:
            renamed: Table = super().rename_table(source, target)
            return renamed
        self._whole.rename_table((*self._root, *source), (*self._root, *target))
        return self.load_table(target)  # type: ignore[no-any-return]

    def _ensure_root(self) -> None:
        for depth in range(1, len(self._root) + 1):
            if not self._whole.namespace_exists(self._root[:depth]):
                with suppress(NamespaceAlreadyExistsError):
                    self._whole.create_namespace(self._root[:depth])


def _without_root(client: RestClient) -> RestClient:
    """The same client, with the same session, for the whole catalog."""
    whole = copy(client)
    whole.__dict__.update(_root=(), _whole=whole)
    return whole
