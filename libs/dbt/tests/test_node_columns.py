"""What a forked dbt tells of each node beside its own log."""

from __future__ import annotations

import json
import subprocess
from collections import Counter

import pytest
from dbt.adapters.contracts.connection import AdapterResponse

from floe_dbt.events import NodeDetailed, NodeFinished, NodeStarted, NodeStatus
from floe_dbt.node_columns import query_of

from .dbt_output import node_events

pytestmark = pytest.mark.dbt

KINDS = {
    "seeds/raw_orders.csv": "id,customer\n1,ann\n2,bob\n3,ann\n",
    "models/orders.sql": "select id, customer, 1.5::decimal(10, 2) as price from {{ ref('raw_orders') }}",
    "models/shown.sql": "{{ config(materialized='view') }} select customer, [id] as ids from {{ ref('orders') }}",
    "models/grown.sql": "{{ config(materialized='incremental') }} select id from {{ ref('orders') }}"
    "{% if is_incremental() %} where id > 2 {% endif %}",
    "models/passing.sql": "{{ config(materialized='ephemeral') }} select id from {{ ref('orders') }}",
    "models/odd.sql": """{{ config(alias='Odd name') }} select max(id) as "Two words" from {{ ref('passing') }}""",
    "models/empty.sql": "select id from {{ ref('orders') }} where false",
    "models/broken.sql": "select nothing_there from {{ ref('orders') }}",
    "models/checked.sql": "select customer from {{ ref('orders') }}",
    "models/after_checked.sql": "select customer from {{ ref('checked') }}",
    "snapshots/kept.sql": "{% snapshot kept %}{{ config(unique_key='id', strategy='check', check_cols='all') }}"
    "select * from {{ ref('raw_orders') }}{% endsnapshot %}",
    "models/schema.yml": """
models:
  - {name: checked, columns: [{name: customer, data_tests: [unique]}]}
""",
}


def build(project, server, *command, log_format="json"):
    """Run dbt as the executor does: the client's environment asks for JSON."""
    return subprocess.run(
        [server.executable, "--no-use-colors", *command, "--profile", "floe"],
        cwd=project.sources,
        env=project.environment(server) | {"DBT_LOG_FORMAT": log_format},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )


def details(output):
    return {event.unique_id: event for event in node_events(output.splitlines()) if isinstance(event, NodeDetailed)}


@pytest.fixture(scope="module")
def built(server, make_module_project):
    project = make_module_project(KINDS)
    server.wait_ready()
    first = build(project, server, "build")
    assert first.returncode == 1
    return project, first.stdout


def test_every_kind_of_relation_has_its_types(built):
    _, output = built
    told = details(output)
    assert told["seed.shop.raw_orders"].columns == (("id", "INTEGER"), ("customer", "VARCHAR"))
    assert told["model.shop.orders"].columns == (("id", "INTEGER"), ("customer", "VARCHAR"), ("price", "DECIMAL(10,2)"))
    assert told["model.shop.grown"].columns == (("id", "INTEGER"),)
    assert told["snapshot.shop.kept"].columns[:2] == (("id", "INTEGER"), ("customer", "VARCHAR"))
    assert "dbt_valid_to" in dict(told["snapshot.shop.kept"].columns)
    assert told["model.shop.empty"].columns == (("id", "INTEGER"),)
    rows = {unique_id.split(".")[2]: event.rows for unique_id, event in told.items() if event.columns}
    assert rows == {
        "raw_orders": 3,
        "orders": 3,
        "grown": 3,
        "kept": 3,
        "empty": 0,
        "checked": 3,
        "odd": 1,
        "shown": None,
    }


def test_a_node_that_is_skipped_or_only_inlined_is_not_told_of(built):
    _, output = built
    assert not {"model.shop.passing", "model.shop.after_checked"} & details(output).keys()


def test_what_was_executed_and_what_went_wrong_come_before_the_end_of_the_node(built):
    _, output = built
    told = details(output)
    assert 'from "shop"."main"."orders"' in told["model.shop.broken"].compiled_code
    assert "Binder Error" in told["model.shop.broken"].message
    (test,) = [event for unique_id, event in told.items() if unique_id.startswith("test.")]
    assert "having count(*) > 1" in test.compiled_code
    assert test.message == "Got 1 result, configured to fail if != 0"
    kinds = [type(event) for event in node_events(output.splitlines()) if event.unique_id == "model.shop.broken"]
    assert kinds[:3] == [NodeStarted, NodeDetailed, NodeFinished]
    each = Counter(event.unique_id for event in node_events(output.splitlines()) if isinstance(event, NodeDetailed))
    assert set(each.values()) == {1}


def test_later_builds_tell_the_whole_table(built, server):
    project, _ = built
    again = build(project, server, "build", "--select", "grown", "odd", "shown")
    told = details(again.stdout)
    assert told["model.shop.grown"].rows == 4  # of the table, not of this build, which added one
    assert told["model.shop.odd"].columns == (("Two words", "INTEGER"),)
    assert told["model.shop.shown"].columns == (("customer", "VARCHAR"), ("ids", "INTEGER[]"))
    assert told["model.shop.shown"].rows is None  # to count a view is to run it


def test_a_relation_that_cannot_be_looked_at_fails_nothing(server, make_module_project):
    files = {
        "models/gone.sql": "{{ config(post_hook='drop table {{ this }}') }} select 1 as id",
        "models/stays.sql": "select 1 as id",
    }
    project = make_module_project(files, name="gone")
    output = build(project, server, "build")
    assert output.returncode == 0, output.stdout
    told = details(output.stdout)
    assert told["model.shop.gone"].columns == ()
    assert told["model.shop.stays"].rows == 1
    ended = [event.status for event in node_events(output.stdout.splitlines()) if isinstance(event, NodeFinished)]
    assert ended == [NodeStatus.SUCCESS] * 2


def test_secrets_of_the_profile_are_not_told(server, make_module_project):
    project = make_module_project({"models/one.sql": "select 'canary-77aa' as word"}, name="secret")
    environment = project.environment(server) | {"DBT_LOG_FORMAT": "json", "DBT_ENV_SECRET_FLOE_X": "canary-77aa"}
    output = subprocess.run(
        [server.executable, "build", "--profile", "floe"],
        cwd=project.sources, env=environment, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "canary-77aa" not in output.stdout
    assert details(output.stdout)["model.shop.one"].rows == 1


def test_a_log_for_people_stays_as_it_is(built, server):
    project, _ = built
    output = build(project, server, "build", "--select", "empty", log_format="text")
    assert "FloeNodeColumns" not in output.stdout
    assert all(not line.startswith("{") for line in output.stdout.splitlines())


def test_the_lines_are_whole_json(built):
    _, output = built
    for line in output.splitlines():
        assert {"info", "data"} <= json.loads(line).keys()


@pytest.mark.parametrize(
    ("response", "query"),
    [
        (AdapterResponse("SUCCESS 1", query_id="01b2-0c").to_dict(), "01b2-0c"),
        (AdapterResponse("OK").to_dict(), None),
        ({"_message": "OK", "query_id": "N/A"}, None),  # dbt-databricks
        ({"job_id": "j1", "project_id": "acme", "location": "EU"}, "acme:EU.j1"),  # dbt-bigquery
        ({"job_id": "j1", "project_id": "acme", "location": None}, "j1"),
        ({}, None),
    ],
    ids=str,
)
def test_a_query_has_the_id_that_its_adapter_tells(response, query):
    assert query_of(response) == query


def test_postgres_tells_its_own_types(server, make_project, postgres_database):
    files = {
        "models/orders.sql": "select 1::bigint as id, 'ann'::varchar(20) as name, 1.5::numeric(9, 2) as price",
        "models/shown.sql": "{{ config(materialized='view') }} select id, now() as seen from {{ ref('orders') }}",
        "models/broken.sql": "select cast(name as integer) as number from {{ ref('orders') }}",
    }
    project = make_project(files)
    output = {
        "type": "postgres",
        "host": postgres_database.host,
        "port": postgres_database.port,
        "user": postgres_database.user,
        "password": postgres_database.password,
        "dbname": postgres_database.name,
        "schema": "public",
        "threads": 2,
    }
    profile = {"floe": {"target": "dev", "outputs": {"dev": output}}}
    (project.profiles / "profiles.yml").write_text(json.dumps(profile))
    server.wait_ready()
    told = details(build(project, server, "build").stdout)
    assert told["model.shop.orders"].columns == (
        ("id", "bigint"),
        ("name", "character varying(20)"),
        ("price", "numeric(9,2)"),
    )
    assert dict(told["model.shop.shown"].columns)["seen"] == "timestamp with time zone"
    assert told["model.shop.orders"].rows is None  # counting would read the table
    assert "invalid input syntax" in told["model.shop.broken"].message
