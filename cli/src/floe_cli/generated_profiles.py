"""The dbt profile of a product, from its two documents alone."""

from __future__ import annotations

from floe_cli.products import Product
from floe_cli.profile_names import check_profile_names
from floe_cli.stack.folders import stack_folder
from floe_contracts.artifacts import Compute
from floe_contracts.compiled_computes import compiled_compute, other_computes
from floe_contracts.errors import WrongUsage

_TENANT = "default"


def generated_profile(product: Product, environment: str) -> str:
    """The text of profiles.yml for one environment; a DuckDB file is that of the product's embedded stack.

    Raises:
        DocumentInvalid: the environment has not the profiles that floe.yaml names.
        WrongUsage: what generates profiles is not installed.
    """
    try:
        from floe_dbt.database_names import database_name
        from floe_dbt.profiles import WarehouseFile, render_profile
    except ImportError:
        raise WrongUsage("what generates profiles is not installed here", hint="install floe-cli[embedded]") from None
    check_profile_names(product, [environment])
    others = {logical: _resolved(product, environment, logical) for logical in other_computes(product.spec)}
    warehouse = stack_folder(product.folder).root / "warehouse" / _TENANT / environment
    file = WarehouseFile(warehouse / f"{database_name(product.name)}.duckdb", [product.folder / product.spec.dbt.path])
    compute = _resolved(product, environment, product.spec.compute)
    return render_profile(environment, compute, file, others=others)


def _resolved(product: Product, environment: str, logical: str) -> Compute:
    name = product.platform.environments[environment].profiles[logical].compute
    return compiled_compute(name, product.platform.compute[name])
