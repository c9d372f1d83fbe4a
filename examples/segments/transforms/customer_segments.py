"""The table customer_segments: each customer with a segment."""

from __future__ import annotations

import pyarrow as pa
from transforms.rules import segment


def customer_segments(customer_purchases: pa.Table) -> pa.Table:
    """Give each customer a segment."""
    days, counts = customer_purchases["days_since_last"].to_pylist(), customer_purchases["purchases"].to_pylist()
    segments = [segment(since, purchases) for since, purchases in zip(days, counts, strict=True)]
    return customer_purchases.append_column("segment", pa.array(segments, pa.string()))
