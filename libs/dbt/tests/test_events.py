"""dbt's log as events of nodes, from real builds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from floe_dbt.events import NodeExplained, NodeFinished, NodeSkipped, NodeStarted, NodeStatus, node_event

from .dbt_output import node_events

GOOD_AND_BAD = {
    "seeds/raw_orders.csv": "id,customer\n1,ann\n2,bob\n3,ann\n",
    "models/orders.sql": "select * from {{ ref('raw_orders') }}",
    "models/checked.sql": "select * from {{ ref('orders') }}",
    "models/after_checked.sql": "select * from {{ ref('checked') }}",
    "models/broken.sql": "select nothing_there from {{ ref('orders') }}",
    "models/after_broken.sql": "select * from {{ ref('broken') }}",
    "snapshots/kept.sql": "{% snapshot kept %}{{ config(unique_key='id', strategy='check', check_cols='all') }}"
    "select * from {{ ref('raw_orders') }}{% endsnapshot %}",
    "tests/both.sql": "select 1 from {{ ref('orders') }} where id > 100",
    "models/schema.yml": """
models:
  - name: orders
    columns: [{name: id, data_tests: [not_null]}]
  - name: checked
    columns:
      - {name: customer, data_tests: [unique]}
      - name: id
        data_tests: [accepted_values: {arguments: {values: [1]}, config: {severity: warn}}]
unit_tests:
  - name: counts
    model: orders
    given: [{input: ref('raw_orders'), rows: [{id: 1}]}]
    expect: {rows: [{id: 1}]}
exposures:
  - {name: board, type: dashboard, owner: {name: sales}, depends_on: [ref('orders')]}
""",
}


@pytest.fixture(scope="module")
def events(server, make_module_project):
    project = make_module_project(GOOD_AND_BAD)
    server.wait_ready()
    ended = project.run(server, "build")
    assert ended.returncode == 1
    return list(node_events(ended.stdout.splitlines()))


@pytest.mark.dbt
def test_what_happened_to_each_node(events):
    started = [event.unique_id for event in events if isinstance(event, NodeStarted)]
    finished = {event.unique_id: event for event in events if isinstance(event, NodeFinished)}
    skipped = {event.unique_id: event for event in events if isinstance(event, NodeSkipped)}
    explained = {event.unique_id: event.text for event in events if isinstance(event, NodeExplained)}

    assert sorted(started) == sorted(finished)  # each once, and no start of a skipped node
    assert skipped.keys() == {"model.shop.after_broken", "model.shop.after_checked"}
    assert "SKIP" in skipped["model.shop.after_broken"].message
    by_name = {unique_id.split(".")[2]: event.status for unique_id, event in finished.items()}
    assert by_name == {
        "raw_orders": NodeStatus.SUCCESS,
        "kept": NodeStatus.SUCCESS,
        "orders": NodeStatus.SUCCESS,  # the unit test of this model has the same part of its id
        "checked": NodeStatus.SUCCESS,
        "broken": NodeStatus.FAILED,
        "both": NodeStatus.SUCCESS,
        "not_null_orders_id": NodeStatus.SUCCESS,
        "unique_checked_customer": NodeStatus.FAILED,
        "accepted_values_checked_id__1": NodeStatus.WARNED,
    }
    failed = {unique_id for unique_id, event in finished.items() if event.status is NodeStatus.FAILED}
    warned = {unique_id for unique_id, event in finished.items() if event.status is NodeStatus.WARNED}
    assert explained.keys() == failed | warned
    assert "Binder Error" in explained["model.shop.broken"]
    assert [event for event in events if "\x1b" in getattr(event, "message", "")] == []

    seed, broken = finished["seed.shop.raw_orders"], finished["model.shop.broken"]
    assert (seed.resource_type, seed.rows_affected, seed.failures) == ("seed", 3, None)
    assert seed.relation_name == '"shop"."main"."raw_orders"'
    assert 0 < seed.seconds < 60
    assert broken.rows_affected is None
    assert abs((datetime.now(UTC) - seed.at).total_seconds()) < 120
    (failing,) = [event for unique_id, event in finished.items() if "unique_checked" in unique_id]
    assert failing.failures == 1


@pytest.mark.dbt
def test_a_node_ends_before_it_is_explained(events):
    kinds = [type(event) for event in events if event.unique_id == "model.shop.broken"]
    assert kinds == [NodeStarted, NodeFinished, NodeExplained]


def test_lines_of_others_are_passed_over():
    lines = [b"plain text", b"[1]", b'{"info": {"name": "Note"}, "data": {}}', b'{"info": 1}', b""]
    assert list(node_events(lines)) == []


@pytest.mark.parametrize(
    ("told", "rows"),
    [
        ("INSERT 0 7", 7),
        ("SELECT 12", 12),
        ("MERGE 3", 3),
        ("SUCCESS 1", None),
        ("OK", None),
        ("CREATE TABLE (1.0k rows)", None),
    ],
)
def test_rows_of_other_warehouses(told, rows):
    assert node_event(_result("LogModelResult", status=told)).rows_affected == rows


@pytest.mark.parametrize(
    ("status", "expected"),
    [("success", NodeStatus.SUCCESS), ("skipped", NodeStatus.SKIPPED), ("partial success", NodeStatus.FAILED)],
)
def test_statuses(status, expected):
    assert node_event(_result("LogModelResult", node_status=status)).status is expected


def _result(name: str, *, node_status: str = "success", status: str = "OK") -> dict[str, object]:
    node = {"unique_id": "model.shop.orders", "node_status": node_status, "node_finished_at": "2026-01-01T00:00:00"}
    info = {"name": name, "msg": "created", "ts": "2026-01-01T00:00:00Z"}
    return {"info": info, "data": {"node_info": node, "status": status, "execution_time": 0.5}}
