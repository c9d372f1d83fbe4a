"""What the REST catalog for tests knows while it runs."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pyiceberg.catalog.sql import SqlCatalog

from floe_lakehouse.testing.rest_signatures import Signatures
from floe_lakehouse.testing.rest_tokens import Tokens

WAREHOUSE: Final = "lake"
TOKENS: Final = "/v1/oauth/tokens"


def _own_client() -> Tokens:
    return Tokens({"floe": secrets.token_hex(8)})


@dataclass(slots=True)
class RestServer:
    """A running server.

    Attributes:
        catalog: what it serves.
        table_config: the storage's keys, such as `s3.access-key-id`: vended with each table to those who ask for them.
        tokens: who may come in, with what.
        signatures: who may come in by signing, in the place of tokens.
        page_size: most entries of a page, for clients that ask for pages.
        url: its address.
        asked: methods and paths of all requests so far.
        askers: the clients that made them; empty for one without a valid token.
        refusals: statuses with which the next requests are answered, whatever they ask; not those for tokens.
        lock: held while a request is answered.
    """

    catalog: SqlCatalog
    table_config: Mapping[str, str] = field(default_factory=dict, repr=False)
    tokens: Tokens = field(default_factory=_own_client)
    signatures: Signatures | None = None
    page_size: int = 100
    url: str = ""
    asked: list[str] = field(default_factory=list)
    askers: list[str] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def client_id(self) -> str:
        """The first client."""
        return next(iter(self.tokens.clients))

    @property
    def client_secret(self) -> str:
        """Its secret."""
        return self.tokens.clients[self.client_id]

    @property
    def properties(self) -> dict[str, str]:
        """What the first client opens it with."""
        return {
            "type": "rest",
            "uri": self.url,
            "warehouse": WAREHOUSE,
            "credential": f"{self.client_id}:{self.client_secret}",
            "oauth2-server-uri": f"{self.url}{TOKENS}",
        }
