"""dbt profiles, generated from a table of the seven warehouses."""

from floe_dbt.profiles.render import PROFILE, WarehouseFile, output_name, render_profile, write_profile
from floe_dbt.profiles.table import WAREHOUSES

__all__ = ["PROFILE", "WAREHOUSES", "WarehouseFile", "output_name", "render_profile", "write_profile"]
