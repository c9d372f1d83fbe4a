"""What a dbt project can do in the closed DuckDB, and what it cannot."""

from __future__ import annotations

import pytest

from floe_dbt.events import NodeExplained

from .dbt_output import node_events

pytestmark = pytest.mark.dbt

EVERY_MATERIALISATION = {
    "seeds/raw_orders.csv": "id,customer\n1,ann\n2,bob\n",
    "models/upserted.sql": "{{ config(materialized='incremental', unique_key='id', incremental_strategy="
    "'delete+insert') }} select id, customer from {{ ref('raw_orders') }}",
    "models/appended.sql": "{{ config(materialized='incremental', incremental_strategy='append') }}"
    "select id, customer from {{ ref('raw_orders') }}",
    "models/seen.sql": "{{ config(materialized='view') }} select * from {{ ref('upserted') }}",
    "snapshots/kept.sql": "{% snapshot kept %}{{ config(unique_key='id', strategy='check', check_cols='all') }}"
    "select * from {{ ref('raw_orders') }}{% endsnapshot %}",
    "models/schema.yml": "models: [{name: upserted, columns: [{name: id, data_tests: [unique, not_null]}]}]",
}
TOO_LARGE = "select count(*) as texts from (select distinct repeat(md5(range::varchar), 8) as text from range(600000))"
"""150 MB of different texts."""


def test_everything_that_dbt_does_still_works(dbt, make_project):
    project = make_project(EVERY_MATERIALISATION)
    for orders in ("1,ann\n2,bob\n", "2,bo\n3,cy\n"):
        project.write({"seeds/raw_orders.csv": f"id,customer\n{orders}"})
        ended = project.run(dbt, "build")
        assert ended.returncode == 0, ended.stdout
    assert project.rows("select * from seen order by id") == [(1, "ann"), (2, "bo"), (3, "cy")]
    assert project.rows("select count(*) from appended") == [(4,)]
    assert project.rows("select customer from kept where id = 2 order by dbt_valid_from") == [("bob",), ("bo",)]


def test_query_that_does_not_fit_into_memory_spills(dbt, make_project):
    project = make_project({"models/counted.sql": TOO_LARGE}, memory_limit="60MB")
    ended = project.run(dbt, "build")
    assert ended.returncode == 0, ended.stdout
    assert project.rows("select texts from counted") == [(600000,)]


OPTIONS = """
select current_setting('preserve_insertion_order')::varchar as ordered,
  current_setting('default_null_order')::varchar as nulls,
  current_setting('max_temp_directory_size')::varchar as spilled
"""


def test_every_option_of_the_compute_holds_in_the_closed_database(dbt, make_project):
    project = make_project(
        {"models/options.sql": OPTIONS},
        preserve_insertion_order=False,
        null_order="nulls_first",
        max_temp_directory_size="5GB",
    )
    ended = project.run(dbt, "build")
    assert ended.returncode == 0, ended.stdout
    assert project.rows("select * from options") == [("false", "NULLS_FIRST", "4.6 GiB")]


CLOSED = "file system operations are disabled by configuration"
READS = {
    "host": "select * from read_text('/etc/hostname')",
    "dots": "select * from read_text('{project}/../outside/secret.txt')",
    "listing": "select * from glob('/etc/*')",
    "network": "select * from read_csv('http://127.0.0.1:9/x.csv')",
    "environ": "select * from read_blob('/proc/self/environ')",
    "link": "select * from read_text('{project}/linked.txt')",
}
STATEMENTS = {
    "copy (select 1) to '{outside}/out.csv'": CLOSED,
    "attach '{outside}/other.duckdb'": CLOSED,
    "install httpfs": CLOSED,
    "load '{outside}/evil.duckdb_extension'": "Loading external extensions is disabled",
    "set enable_external_access = true": "Cannot enable external access while database is running",
    "set allowed_directories = ['/']": "Cannot change allowed_directories",
    "set temp_directory = '{outside}'": "Modifying the temp_directory has been disabled",
}


@pytest.fixture
def outside(tmp_path):
    folder = tmp_path / "one" / "outside"
    folder.mkdir(parents=True)
    (folder / "secret.txt").write_text("secret")
    return folder


def test_models_cannot_read_outside(dbt, make_project, outside):
    project = make_project({})
    (project.sources / "linked.txt").symlink_to(outside / "secret.txt")
    project.write({f"models/{name}.sql": sql.format(project=project.sources) for name, sql in READS.items()})
    ended = project.run(dbt, "build")
    assert ended.returncode == 1
    assert {name for name, text in _explanations(ended.stdout).items() if CLOSED in text} == READS.keys()


def test_models_cannot_write_outside_or_open_the_door(dbt, make_project, outside):
    statements = [statement.format(outside=outside) for statement in STATEMENTS]
    run = '{{% if execute %}}{{% do run_query("{}") %}}{{% endif %}} select 1 as one'
    project = make_project({f"models/m{number}.sql": run.format(sql) for number, sql in enumerate(statements)})
    ended = project.run(dbt, "build")
    assert ended.returncode == 1
    explanations = _explanations(ended.stdout)
    for number, refusal in enumerate(STATEMENTS.values()):
        assert refusal in explanations[f"m{number}"]
    assert [path.name for path in outside.iterdir()] == ["secret.txt"]


@pytest.mark.parametrize("statement", ["copy (select 1) to '{outside}/out.csv'", "install httpfs"])
def test_hooks_cannot_either(dbt, make_project, outside, statement):
    hook = f"name: shop\nversion: '1.0'\nprofile: floe\non-run-start: [\"{statement.format(outside=outside)}\"]\n"
    ended = make_project({"models/innocent.sql": "select 1 as one", "dbt_project.yml": hook}).run(dbt, "build")
    assert ended.returncode != 0
    assert CLOSED in ended.stdout
    assert [path.name for path in outside.iterdir()] == ["secret.txt"]


def _explanations(output: str) -> dict[str, str]:
    """Why each model failed, by its name."""
    events = node_events(output.splitlines())
    return {one.unique_id.split(".")[-1]: one.text for one in events if isinstance(one, NodeExplained)}
