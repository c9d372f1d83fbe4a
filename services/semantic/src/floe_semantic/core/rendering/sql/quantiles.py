"""The value below which a share of all values lies, in the SQL of each warehouse."""

from __future__ import annotations

from typing import Final, Literal

from floe_semantic.core.rendering.sql.dialects import Dialect
from floe_semantic.core.rendering.untranslatable import Untranslatable

Quantile = Literal["continuous", "discrete", "approximate"]

_STANDARD: Final[dict[Quantile, str]] = {
    "continuous": "percentile_cont({share}) within group (order by {sql})",
    "discrete": "percentile_disc({share}) within group (order by {sql})",
}
_SPARK: Final[dict[Quantile, str]] = {
    "continuous": "percentile({sql}, {share})",
    "discrete": "percentile_disc({share}) within group (order by {sql})",
    "approximate": "approx_percentile({sql}, {share})",
}
_FORMS: Final[dict[str, dict[Quantile, str]]] = {
    "duckdb": {
        "continuous": "quantile_cont({sql}, {share})",
        "discrete": "quantile_disc({sql}, {share})",
        "approximate": "approx_quantile({sql}, {share})",
    },
    "postgres": _STANDARD,
    "redshift": _STANDARD | {"approximate": "approximate percentile_disc({share}) within group (order by {sql})"},
    "snowflake": _STANDARD | {"approximate": "approx_percentile({sql}, {share})"},
    # BigQuery has the exact ones as window functions only.
    "bigquery": {"approximate": "approx_quantiles({sql}, 1000)[offset({thousandths})]"},
    "databricks": _SPARK,
    "spark": _SPARK,
}


def quantile(sql: str, share: float, how: Quantile, dialect: Dialect) -> str:
    """The aggregate over `sql`.

    Raises:
        Untranslatable: the warehouse has no such aggregate.
    """
    form = _FORMS.get(dialect.name, _STANDARD).get(how)
    if form is None:
        raise Untranslatable(f"{dialect.name} has no aggregate for {how} percentiles")
    return form.format(sql=sql, share=share, thousandths=round(share * 1000))
