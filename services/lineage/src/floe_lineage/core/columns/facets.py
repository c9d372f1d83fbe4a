"""The result as OpenLineage tells it."""

from __future__ import annotations

from typing import Any

from floe_contracts.openlineage.dataset_facets import column_lineage, input_field, transformation
from floe_contracts.openlineage.facet import Facet
from floe_lineage.core.columns.model import ColumnLineage, InputField


def column_lineage_facet(lineage: ColumnLineage) -> Facet | None:
    """The columnLineage facet of the output; None where nothing depends on any column that is known.

    Columns that are made of nothing, such as constants, are left out of it.
    """
    fields = {name: [_input(found) for found in inputs] for name, inputs in lineage.fields.items() if inputs}
    whole = [_input(found) for found in lineage.whole]
    return column_lineage(fields, whole) if fields or whole else None


def _input(found: InputField) -> dict[str, Any]:
    told = (transformation(one.kind, one.subtype, masking=one.masking) for one in found.transformations)
    return input_field((found.namespace, found.name), found.field, *told)
