"""The plugin `nessie`: Nessie, which has a tree of namespaces on each branch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

from pydantic import Field
from pyiceberg.catalog import Catalog
from requests import Response, Session

from floe_contracts.plugins.metadata import API_VERSION, PluginMetadata
from floe_lakehouse.catalog_kinds.rest import RestOptions, open_rest
from floe_lakehouse.catalog_kinds.rest_client import RestClient


class NessieOptions(RestOptions):
    """As of any server of the protocol, and a branch."""

    branch: str = Field(default="main", description="The branch that is read and written.")


class NessiePlugin:
    """Nessie; the branch is a part of the address under which it speaks the protocol."""

    metadata = PluginMetadata("nessie", "1.0.0", API_VERSION, "Nessie, by its Iceberg REST door.")
    options = NessieOptions

    def open(self, name: str, options: NessieOptions, properties: Mapping[str, str]) -> Catalog:
        uri = f"{options.uri.rstrip('/')}/{quote(options.branch, safe='')}"
        return open_rest(name, options, uri, properties, NessieClient)


class NessieClient(RestClient):
    """Sends commits as Nessie takes them.

    Nessie (0.99) asks for the `last-column-id` of a new schema, which the protocol has deprecated and pyiceberg leaves
    out, and takes one update of a kind in a commit, where pyiceberg sends each `set-properties` by itself. A table's
    metadata hold its current snapshot only: the past stands in Nessie's own commits.
    """

    past_is_elsewhere = True

    def _create_session(self) -> Session:
        session = super()._create_session()
        session.request = partial(_send, session.request)  # type: ignore[method-assign]
        return session


def _send(request: Callable[..., Response], method: str, url: str, **arguments: Any) -> Response:
    document = json.loads(arguments["data"]) if isinstance(arguments.get("data"), bytes) else None
    if document and isinstance(document.get("updates"), list):
        arguments["data"] = json.dumps({**document, "updates": _updates(document["updates"])}).encode()
    return request(method, url, **arguments)


def _updates(sent: list[dict[str, Any]]) -> list[dict[str, Any]]:
    properties: dict[str, str] = {}
    updates: list[dict[str, Any]] = []
    for update in sent:
        match update["action"]:
            case "set-properties":
                properties |= update["updates"]
            case "add-schema":
                updates.append({**update, "last-column-id": max(_field_ids(update["schema"]), default=0)})
            case _:
                updates.append(update)
    if properties:
        updates.append({"action": "set-properties", "updates": properties})
    return updates


def _field_ids(schema: Any) -> Iterator[int]:
    if isinstance(schema, Mapping):
        for name, value in schema.items():
            if name in {"id", "element-id", "key-id", "value-id"} and isinstance(value, int):
                yield value
            else:
                yield from _field_ids(value)
    elif isinstance(schema, list):
        for each in schema:
            yield from _field_ids(each)
