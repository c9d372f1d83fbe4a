"""The access to products' tables, put together: what the service may administer, and the request that it answers."""

from __future__ import annotations

import asyncio

from floe_catalog.access.granting import AccessControl, Administration, grants
from floe_catalog.core.polaris_servers import PolarisServer
from floe_catalog.requests.lake import Lake
from floe_catalog.settings import CatalogSettings
from floe_catalog.wiring import Parts
from floe_chassis.answers import Asked
from floe_contracts.catalog_access import GRANTS, GrantsAnswer, GrantsRequest


def answer_grants(parts: Parts) -> None:
    """Have the service tell and repair who may touch a product's tables."""
    lake = Lake(parts.products, parts.calls)
    administration = Administration(_server(parts.settings), parts.secrets, _open)

    async def answer(asked: Asked[GrantsRequest]) -> GrantsAnswer:
        product = await lake.product(asked, asked.request.product)
        return await asyncio.to_thread(grants, asked.request, product, administration)

    parts.service.answer(GRANTS, answer)


def _server(settings: CatalogSettings) -> PolarisServer | None:
    uri, client_id, client_secret = settings.polaris_uri, settings.polaris_client_id, settings.polaris_client_secret
    if uri is None or client_id is None or client_secret is None:
        return None
    return PolarisServer(uri, client_id, client_secret, settings.polaris_realm)


def _open(server: PolarisServer, warehouse: str) -> AccessControl:
    # The official client takes a second of CPU to import; only who asks for access pays it.
    from floe_catalog.adapters.polaris_access import PolarisAccess

    return PolarisAccess(server, warehouse)
