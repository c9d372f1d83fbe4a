"""The products that a Dagster instance shows, kept in the instance itself.

They stand among its key-value pairs, and the set of their names as dynamic partitions of a name of its own: both are
in every storage that Dagster has, and a name is added to the set without reading it first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

import dagster

from floe_contracts.openlineage.naming import Place
from floe_executor.adapters.dagster_graph.product_definition import ProductDefinition

_SET: Final = "floe/products"


def keep_definition(instance: dagster.DagsterInstance, product: ProductDefinition) -> bool:
    """Have the instance show the product as it is here; False if it does so already."""
    name = str(product.place)
    storage = instance.run_storage
    version, document = f"{_SET}/{name}/artifact", f"{_SET}/{name}/definition"
    if storage.get_cursor_values({version}).get(version) == product.artifact_digest:
        return False
    content = product.model_dump_json(exclude_none=True, exclude_defaults=True)
    storage.set_cursor_values({version: product.artifact_digest, document: content})
    instance.add_dynamic_partitions(_SET, [name])
    return True


def forget_definition(instance: dagster.DagsterInstance, place: Place) -> None:
    """Have the instance show the product no more; its history stays. A later run of it has it shown again."""
    name = str(place)
    instance.delete_dynamic_partition(_SET, name)
    instance.run_storage.set_cursor_values({f"{_SET}/{name}/artifact": ""})


def kept_definitions(instance: dagster.DagsterInstance) -> Iterator[ProductDefinition]:
    """All products that the instance shows, sorted by place."""
    names = {name: f"{_SET}/{name}/definition" for name in sorted(instance.get_dynamic_partitions(_SET))}
    found = instance.run_storage.get_cursor_values(set(names.values())) if names else {}
    for key in names.values():
        if key in found:
            yield ProductDefinition.read(json.loads(found[key]))
