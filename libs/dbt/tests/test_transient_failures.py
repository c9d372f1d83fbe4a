from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from floe_dbt.profiles import WAREHOUSES
from floe_dbt.transient_failures import is_transient

GATHERED = yaml.safe_load(Path(__file__).with_name("warehouse_failures.yaml").read_text())
CASES = [
    pytest.param(row["adapter"], row["message"], kind == "transient", id=f"{row['adapter']}: {row['made']}")
    for kind, rows in GATHERED.items()
    for row in rows
]


@pytest.mark.parametrize(("adapter", "message", "passes"), CASES)
def test_what_real_adapters_say_is_told_apart(adapter: str, message: str, passes: bool) -> None:
    assert is_transient(message, adapter) is passes


@pytest.mark.parametrize("adapter", sorted(WAREHOUSES))
def test_every_adapter_has_the_words_of_the_network(adapter: str) -> None:
    assert is_transient("[Errno 111] Connection refused", adapter)
    assert not is_transient("", adapter)


def test_an_adapter_that_nobody_knows_has_those_too() -> None:
    assert is_transient("Connection reset by peer", "trino")
    assert not is_transient("failed to connect", "trino")
