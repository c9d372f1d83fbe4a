"""What a Python transform may know of the run that it works in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformContext:
    """The parameter `context` of a Python transform.

    Attributes:
        run_id: the run; the same in each of its attempts.
        attempt: which attempt of it this is, from 1.
        tenant: whose product it is.
        environment: where it runs.
        product: name of the product.
        partition: key of the partition that is built; None when the run builds no single one.
        partition_start: where the partition's window begins; None where it has none.
        partition_end: the first moment after it.
        vars: the variables that the request gave, as dbt has them too.
    """

    run_id: str
    attempt: int
    tenant: str
    environment: str
    product: str
    partition: str | None = None
    partition_start: datetime | None = None
    partition_end: datetime | None = None
    vars: Mapping[str, Any] = field(default_factory=dict)
