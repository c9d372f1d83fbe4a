"""However a source is parsed, in full or partially, its artifact has the same digest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from floe_chassis.service import Service

if TYPE_CHECKING:
    from conftest import Submissions

Start = Callable[..., Awaitable[Service]]

EDITS = {
    "a model's SQL": {"dbt/models/orders.sql": "select id, customer from {{ ref('raw_orders') }} where id > 0\n"},
    "a properties file": {"dbt/models/more.yml": "models: [{name: orders_by_day, description: By day.}]\n"},
    "a macro": {"dbt/macros/day.sql": "{% macro day() %}date '2026-11-22'{% endmacro %}\n"},
    "a seed": {"dbt/seeds/raw_orders.csv": "id,customer\n1,ann\n2,bob\n3,eve\n"},
    "a new model": {"dbt/models/customers.sql": "select distinct customer from {{ ref('orders') }}\n"},
}


async def test_the_digest_is_the_same_after_partial_parses(
    start_compiler: Start,
    submissions: Submissions,
    shop: dict[str, str | bytes],
    platform_yaml: str,
    tmp_path: Path,
) -> None:
    shop |= {
        "dbt/macros/day.sql": "{% macro day() %}date '2026-11-21'{% endmacro %}\n",
        "dbt/models/orders_by_day.sql": "select {{ day() }} as day, count(*) as orders from {{ ref('orders') }}\n",
    }
    warm = await start_compiler()
    await submissions.submit(shop, "first", platform=platform_yaml)
    digests = [(await submissions.compiled("first")).artifact_digest]
    for name, edit in EDITS.items():
        shop |= edit
        last = await submissions.submit(shop, name.replace(" ", "-"), platform=platform_yaml)
        digests.append((await submissions.compiled(name.replace(" ", "-"))).artifact_digest)
    assert len(set(digests)) == len(EDITS) + 1
    await warm.stop(grace=5.0)

    await start_compiler(FLOE_WORK_DIR=str(tmp_path / "somewhere" / "else"))
    # Another tenant, so that no cache answers.
    again = last.model_copy(update={"tenant": "acme", "submission": "in-full"})
    await submissions.bus.publish(again, id="shop:in-full")
    assert (await submissions.compiled("in-full")).artifact_digest == digests[-1]
