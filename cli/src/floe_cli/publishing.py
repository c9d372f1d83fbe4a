"""Publishing a product's spec: its files to the blob store, the event to the bus."""

from __future__ import annotations

from floe_chassis.source_bundles import pack
from floe_cli.products import Product
from floe_cli.stack.connection import Connection
from floe_contracts.events import SpecSubmitted, submission_event_id


async def publish_spec(
    connection: Connection, product: Product, submission: str, *, dry_run: bool = False, against: str | None = None
) -> SpecSubmitted:
    """Publish a submission; returns when the event is stored.

    Args:
        connection: the bus and its blob store.
        product: what is submitted.
        submission: names it.
        dry_run: only plan it.
        against: digest of the artifact that the plan compares with; None is the last one compiled.
    """
    blobs = connection.blobs()
    platform = await blobs.put(product.platform_yaml.encode()) if product.platform_yaml is not None else None
    submitted = SpecSubmitted(
        tenant=connection.settings.tenant,
        product=product.name,
        submission=submission,
        bundle=await pack(product.folder, blobs),
        platform=platform,
        dry_run=dry_run,
        against=against,
        platform_parents={
            parent.name: await blobs.put(parent.text.encode()) for parent in product.resolved.documents[1:]
        },
    )
    await connection.bus.publish(submitted, id=submission_event_id(submitted))
    return submitted
