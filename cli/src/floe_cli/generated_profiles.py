"""The dbt profile of a product, from its two documents alone."""

from __future__ import annotations

from floe_cli.errors import ComputeUnresolved
from floe_cli.products import Product
from floe_cli.stack.folders import stack_folder
from floe_contracts.artifacts import Compute
from floe_contracts.compiled_computes import compiled_compute, other_computes
from floe_contracts.errors import Where, WrongUsage
from floe_contracts.suggestions import meant_or_known

_TENANT = "default"


def generated_profile(product: Product, environment: str) -> str:
    """The text of profiles.yml for one environment; a DuckDB file is that of the product's embedded stack.

    Raises:
        ComputeUnresolved: a logical name of floe.yaml leads nowhere in the platform.
        WrongUsage: what generates profiles is not installed.
    """
    try:
        from floe_dbt.database_names import database_name
        from floe_dbt.profiles import WarehouseFile, render_profile
    except ImportError:
        raise WrongUsage("what generates profiles is not installed here", hint="install floe-cli[embedded]") from None
    others = {
        logical: _resolved(product, environment, logical, field)
        for logical, field in other_computes(product.spec).items()
    }
    warehouse = stack_folder(product.folder).root / "warehouse" / _TENANT / environment
    file = WarehouseFile(warehouse / f"{database_name(product.name)}.duckdb", [product.folder / product.spec.dbt.path])
    compute = _resolved(product, environment, product.spec.compute, "compute")
    return render_profile(environment, compute, file, others=others)


def _resolved(product: Product, environment: str, logical: str, field: str) -> Compute:
    profiles = product.platform.environments[environment].profiles
    if logical not in profiles:
        raise ComputeUnresolved(
            f"the environment {environment!r} of the platform has no profile {logical!r}",
            where=Where("floe.yaml", path=field),
            hint=meant_or_known(logical, profiles),
        )
    name = profiles[logical].compute
    if name not in product.platform.compute:
        raise ComputeUnresolved(
            f"{name!r} is not defined under compute",
            where=Where("platform.yaml", path=f"environments.{environment}.profiles.{logical}.compute"),
            hint=meant_or_known(name, product.platform.compute),
        )
    return compiled_compute(name, product.platform.compute[name])
