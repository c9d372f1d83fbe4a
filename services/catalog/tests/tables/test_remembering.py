"""What the service remembers and changes, where somebody else is always a moment faster."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.types import IntegerType

from floe_catalog.adapters.declared_types import DeclaredTypes
from floe_catalog.adapters.registration import create_table, evolve_table
from floe_catalog.adapters.table_states import TableStates
from floe_catalog.core.declared_tables import DeclaredColumn, DeclaredTable
from floe_catalog.core.table_changes import NO_SCHEMA
from floe_catalog.errors import ProductUnknown, RecordChanged, TableContended
from floe_catalog.wiring import assemble
from floe_chassis.topology import TABLES_BUCKET
from floe_contracts.openlineage.naming import Place
from floe_contracts.table_states import TableState
from floe_lakehouse.errors import SchemaBroken

PLACE = Place("default", "dev", "shop-orders")
IDENTIFIER = "default.dev.shop-orders.main.orders"


def state(**changes) -> TableState:
    names = {"tenant": "default", "environment": "dev", "product": "shop-orders", "identifier": IDENTIFIER}
    return TableState(**names | {"table_uuid": "u", "table_schema": NO_SCHEMA} | changes)


def one_more(before: TableState | None) -> TableState:
    counted = before.commits_since_maintenance if before else 0
    return state(commits_since_maintenance=counted + 1)


class Contended:
    """A bucket that somebody else always writes to just before us."""

    def __init__(self, bucket: Any) -> None:
        self._bucket = bucket

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bucket, name)

    async def update(self, key: str, value: bytes, last: int) -> int:
        await self._bucket.put(key, state(table_uuid="others").model_dump_json().encode())
        return await self._bucket.update(key, value, last=last)


@pytest.fixture
def states(bus) -> TableStates:
    return TableStates(partial(bus.key_value, TABLES_BUCKET))


@pytest.mark.bus
async def test_only_what_was_read_is_written_over(states) -> None:
    assert (await states.told(PLACE, IDENTIFIER)).revision == 0
    assert await states.write(state(), 0)
    assert not await states.write(state(table_uuid="v"), 0)
    told = await states.told(PLACE, IDENTIFIER)
    assert await states.write(state(table_uuid="v"), told.revision)
    assert not await states.write(state(table_uuid="w"), told.revision)
    assert (await states.find(PLACE, IDENTIFIER)).table_uuid == "v"


@pytest.mark.bus
async def test_what_was_forgotten_can_be_written_again(states) -> None:
    await states.write(state(), 0)
    assert await states.forget(PLACE, IDENTIFIER, (await states.told(PLACE, IDENTIFIER)).revision)
    assert await states.of_product(PLACE) == ()
    told = await states.told(PLACE, IDENTIFIER)
    assert told.state is None
    assert await states.write(state(table_uuid="v"), told.revision)


@pytest.mark.bus
async def test_what_somebody_else_has_written_since_is_not_forgotten(states) -> None:
    await states.write(state(), 0)
    seen = await states.told(PLACE, IDENTIFIER)
    await states.write(state(table_uuid="others"), seen.revision)
    assert not await states.forget(PLACE, IDENTIFIER, seen.revision)
    assert (await states.find(PLACE, IDENTIFIER)).table_uuid == "others"


@pytest.mark.bus
async def test_changes_at_the_same_time_are_all_made(states) -> None:
    await asyncio.gather(*(states.change(PLACE, IDENTIFIER, one_more) for _ in range(5)))
    assert (await states.find(PLACE, IDENTIFIER)).commits_since_maintenance == 5


@pytest.mark.bus
async def test_a_change_that_others_always_overtake_is_given_up(bus, states) -> None:
    await states.write(state(), 0)
    bucket = Contended(await bus.key_value(TABLES_BUCKET))

    async def contended() -> Any:
        return bucket

    with pytest.raises(RecordChanged):
        await TableStates(contended).change(PLACE, IDENTIFIER, one_more)
    assert (await states.find(PLACE, IDENTIFIER)).table_uuid == "others"


@pytest.mark.bus
async def test_a_product_that_nobody_has_published_is_not_known(bus, environment) -> None:
    parts = assemble(environment)
    await parts.service.bus.connect()
    try:
        with pytest.raises(ProductUnknown):
            await parts.teller.tell_table(PLACE, IDENTIFIER)
    finally:
        await parts.service.stop()


class Crowded(SqlCatalog):
    """A catalog in which somebody else adds a column just before us, as long as `faster` says."""

    faster = 0

    def commit_table(self, table, requirements, updates) -> Any:
        if self.faster > 0:
            type(self).faster, others = 0, self.faster - 1
            with self.load_table(table.name()).update_schema() as update:
                update.add_column(f"others_{others}", IntegerType())
            type(self).faster = others
        return super().commit_table(table, requirements, updates)


def declared(*columns: tuple[str, str], partition_by: tuple[str, ...] = ()) -> DeclaredTable:
    return DeclaredTable(
        unique_id="model.shop.orders",
        levels=tuple(IDENTIFIER.split(".")),
        relation=("main", "orders"),
        compute="duckdb",
        columns=tuple(DeclaredColumn(name, kind, not_null=False) for name, kind in columns),
        partition_by=partition_by,
        enforced=True,
        attached=False,
    )


@pytest.fixture
def types():
    types = DeclaredTypes()
    yield types
    types.close()


@pytest.fixture
def crowded(tmp_path, types):
    catalog = Crowded("floe", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/lake")
    create_table(catalog, types, declared(("id", "int")))
    yield catalog
    Crowded.faster = 0


def test_a_table_is_evolved_on_top_of_what_others_committed(crowded, types) -> None:
    Crowded.faster = 2
    evolve_table(crowded, types, declared(("id", "bigint"), ("name", "text"), partition_by=("name",)))
    table = crowded.load_table(tuple(IDENTIFIER.split(".")))
    assert {field.name: str(field.field_type) for field in table.schema().fields} == {
        "id": "long",
        "others_1": "int",
        "others_0": "int",
        "name": "string",
    }
    assert [field.name for field in table.spec().fields] == ["name"]


def test_a_table_that_others_never_let_go_of_stays_as_it_is(crowded, types) -> None:
    Crowded.faster = 99
    with pytest.raises(TableContended):
        evolve_table(crowded, types, declared(("id", "bigint")))
    Crowded.faster = 0
    assert str(crowded.load_table(tuple(IDENTIFIER.split("."))).schema().fields[0].field_type) == "int"


def test_what_breaks_readers_is_refused(crowded, types) -> None:
    with pytest.raises(SchemaBroken):
        evolve_table(crowded, types, declared(("id", "text")))


def test_a_table_that_is_there_is_not_created_again(crowded, types) -> None:
    before = crowded.load_table(tuple(IDENTIFIER.split("."))).metadata
    create_table(crowded, types, declared(("other", "text")))
    assert crowded.load_table(tuple(IDENTIFIER.split("."))).metadata == before
