"""A product with landed tables, and the requests that somebody sends about them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from floe_chassis.bus import Bus
from floe_chassis.requests import ask
from floe_chassis.service import Service
from floe_chassis.testing import eventually
from floe_contracts.catalog_requests import LIST_NAMESPACES, ListNamespaces
from floe_contracts.events import ArtifactCompiled, LandedTable

Asking = Callable[..., Awaitable[Any]]
Land = Callable[..., LandedTable]


@pytest.fixture
def asking(bus: Bus, service: Service) -> Asking:
    """Ask the running service something about `dev`."""

    async def of(operation: Any, request: Any, **options: Any) -> Any:
        where = {"tenant": "default", "environment": "dev"} | options
        return await ask(bus, operation, request, **where)

    return of


@pytest.fixture
async def known(bus: Bus, asking: Asking, compiled: Callable[..., ArtifactCompiled]) -> Callable[..., Awaitable[None]]:
    """Has the service know a product, which is `shop-orders` unless another is named."""

    async def publish(product: str = "shop-orders", tenant: str = "default", **changes: Any) -> None:
        event = compiled(product=product, **changes).model_copy(update={"tenant": tenant})
        await bus.publish(event, id=f"{tenant}.{product}")

        async def there() -> bool:
            answer = await asking(LIST_NAMESPACES, ListNamespaces(), tenant=tenant)
            return product in {one.product for one in answer.namespaces}

        await eventually(there)

    return publish
