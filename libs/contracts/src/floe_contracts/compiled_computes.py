"""Computes of platform.yaml as the artifact has them."""

from __future__ import annotations

from floe_contracts import artifacts
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.placeholders import placeholder
from floe_contracts.platform.computes import Compute
from floe_contracts.platform.properties import properties_of
from floe_contracts.product.transforms import DbtTransform


def compiled_compute(name: str, written: Compute) -> artifacts.Compute:
    """The compute `name`: its values, and a variable for each of its secrets."""
    properties, secrets = properties_of(written)
    return artifacts.Compute(
        name=name,
        type=written.type,
        threads=properties.pop("threads"),
        memory_limit=properties.get("memory_limit"),
        properties=properties,
        secrets={placeholder(name, field): secret for field, secret in secrets.items()},
    )


def other_computes(spec: FloeSpec) -> dict[str, str]:
    """The logical names of computes that single transforms have, each with the first field that names it."""
    found: dict[str, str] = {}
    for index, transform in enumerate(spec.transforms):
        if isinstance(transform, DbtTransform):
            for model, annotation in transform.models.items():
                if annotation.compute is not None:
                    found.setdefault(annotation.compute, f"transforms.{index}.models.{model}.compute")
        elif transform.compute is not None:
            found.setdefault(transform.compute, f"transforms.{index}.compute")
    return {logical: path for logical, path in found.items() if logical != spec.compute}
