"""Publishing a product's spec: its files to the blob store, the event to the bus."""

from __future__ import annotations

from floe_chassis.source_bundles import pack
from floe_cli.products import Product
from floe_cli.stack.connection import Connection
from floe_contracts.events import SpecSubmitted, submission_event_id


async def publish_spec(connection: Connection, product: Product, submission: str) -> SpecSubmitted:
    """Publish a submission; returns when the event is stored."""
    blobs = connection.blobs()
    platform = await blobs.put(product.platform_yaml.encode()) if product.platform_yaml is not None else None
    submitted = SpecSubmitted(
        tenant=connection.settings.tenant,
        product=product.name,
        submission=submission,
        bundle=await pack(product.folder, blobs),
        platform=platform,
    )
    await connection.bus.publish(submitted, id=submission_event_id(submitted))
    return submitted
