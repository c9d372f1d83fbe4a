from __future__ import annotations

from datetime import UTC, datetime

import pytest

from floe_contracts.errors import FloeError
from floe_dbt.errors import DbtWarehouseUnreachable
from floe_executor.adapters.building.build_outcome import BuildEnd
from floe_executor.core.node_reports import NodeDone, NodeStatus
from floe_executor.errors import DbtBuildFailed, DbtRefused

AWAY = "Database Error in model orders\n  server closed the connection unexpectedly"
WRONG = 'Database Error in model totals\n  column "nothing" does not exist'
NO_SERVER = 'Database Error\n  connection to server at "db", port 5432 failed: Connection refused'
REFUSED = 'Database Error\n  connection to server at "db", port 5432 failed: FATAL:  password authentication failed'


def failed(message: str) -> tuple[NodeDone, None]:
    return NodeDone("model.shop.n", datetime.now(UTC), NodeStatus.FAILED, 1.0, message), None


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (BuildEnd(1, (failed(AWAY),), ""), DbtWarehouseUnreachable),
        (BuildEnd(1, (failed(AWAY), failed(AWAY)), ""), DbtWarehouseUnreachable),
        (BuildEnd(1, (failed(AWAY), failed(WRONG)), ""), DbtBuildFailed),
        (BuildEnd(1, (failed(WRONG),), ""), DbtBuildFailed),
        (BuildEnd(2, (), NO_SERVER), DbtWarehouseUnreachable),
        (BuildEnd(2, (), REFUSED), DbtRefused),
    ],
    ids=["away", "away for two nodes", "away, and one is wrong", "wrong", "never there", "refused"],
)
def test_a_build_is_tried_again_only_if_nothing_but_the_warehouse_was_at_fault(
    end: BuildEnd, error: type[FloeError]
) -> None:
    with pytest.raises(error):
        end.check(adapter="postgres")
