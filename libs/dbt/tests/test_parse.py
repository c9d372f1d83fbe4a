"""Parsing real projects, good and bad."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from floe_contracts.errors import Permanent, Transient
from floe_dbt.environment import SECRET_PREFIX
from floe_dbt.errors import DbtDied, DbtParseFailed, DbtProjectMissing
from floe_dbt.parse import parse_project

pytestmark = pytest.mark.dbt

PROJECT = "name: shop\nversion: '1.0'\nprofile: floe\n"
FAILURES = {
    "jinja": ("models/bad.sql", "select 1\n\nfrom {{ ref('a' }}", "models/bad.sql", 3, "unexpected '}', expected ')'"),
    "ref": ("models/deep/bad.sql", "select * from {{ ref('gone') }}", "models/deep/bad.sql", None, "named 'gone'"),
    "yaml": (
        "models/deep/x.yml",
        "models:\n  - name: a\n   b: [\n",
        "models/deep/x.yml",
        3,
        "Syntax error near line 3",
    ),
    "project": ("dbt_project.yml", "name: shop\nfoo: [\n", "dbt_project.yml", 3, "Syntax error near line 3"),
    "type": ("dbt_project.yml", PROJECT + "model-paths: 3\n", "dbt_project.yml", None, "at path ['model-paths']"),
    "packages": ("packages.yml", "packages: [{package: a/b, version: 1.0.0}]", "packages.yml", None, "0 package(s)"),
    "python": ("models/bad.py", "def model(dbt, session):\n    return (\n", "models/bad.py", 2, "was never closed"),
    "test": ("models/x.yml", "models: [{name: one, data_tests: [uniqe]}]", "models/x.yml", None, "test 'uniqe'"),
    "circle": ("models/one.sql", "select * from {{ ref('two') }}", "models/one.sql", None, "one -> two -> one"),
    "variable": (
        "models/bad.sql",
        "select 1,\n '{{ env_var('SOMETHING_SECRET') }}'",
        "models/bad.sql",
        2,
        "Env var required but not provided: 'SOMETHING_SECRET'",
    ),
    "variable with a default elsewhere": (
        "snapshots/bad.sql",
        "{# env_var('SOMETHING_SECRET', 'none') #}\n{% snapshot s %}{{ env_var('SOMETHING_SECRET') }}{% endsnapshot %}",
        "snapshots/bad.sql",
        2,
        "Env var required but not provided: 'SOMETHING_SECRET'",
    ),
    "placeholder": (
        "models/bad.sql",
        "select '{{ env_var('DBT_ENV_SECRET_FLOE_PASSWORD') }}'",
        "models/bad.sql",
        1,
        "Secret env vars are allowed only in profiles.yml",
    ),
}
GOOD = {"models/one.sql": "select 1 as id", "models/two.sql": "select * from {{ ref('one') }}"}


@pytest.fixture(scope="module")
def good(parse, make_module_project):
    """A project that dbt has parsed once: the next time it parses only what changed."""
    project = make_module_project(GOOD)
    parse(project)
    return project


@pytest.mark.parametrize("name", FAILURES)
def test_failure_has_a_place_and_dbts_words_but_no_stack_and_no_folder(parse, good, name):
    written, text, file, line, words = FAILURES[name]
    project = good
    project.write({written: text})
    try:
        with pytest.raises(DbtParseFailed) as failed:
            parse(project)
    finally:
        (project.sources / written).unlink()
        project.write(GOOD)
    error = failed.value
    assert words in error.message
    assert (error.where.file, error.where.line) == (file, line)
    assert isinstance(error, Permanent)
    assert error.code == "FLOE-DBT-011"
    for unwanted in (str(project.folder), "Traceback", "site-packages", "\x1b", "Encountered an error"):
        assert unwanted not in str(error)


def test_project_is_left_as_it_is_and_needs_no_warehouse(parse, make_project):
    project = make_project(GOOD)
    before = sorted(project.sources.rglob("*"))
    parsed = parse(project)
    assert set(parsed.manifest["nodes"]) == {"model.shop.one", "model.shop.two"}
    assert sorted(project.sources.rglob("*")) == before
    assert list(project.database.parent.iterdir()) == []


def test_environment_is_the_target(parse, make_project):
    sql = "{{ config(enabled=target.name == 'prod') }} select 1 as id"
    parsed = parse(make_project({**GOOD, "models/only_prod.sql": sql}))
    assert list(parsed.manifest["disabled"]) == ["model.shop.only_prod"]


def test_secrets_of_a_profile_get_dummies(parse, make_project):
    project = make_project(GOOD)
    profile = project.profiles / "profiles.yml"
    placeholder = f"{{{{ env_var('{SECRET_PREFIX}MEMORY') }}}}"
    profile.write_text(profile.read_text() + f'      config_options: {{memory_limit: "{placeholder}"}}\n')
    assert parse(project).manifest["nodes"]


def test_warnings_are_told(parse, make_project):
    project = make_project({**GOOD, "dbt_project.yml": PROJECT + "models: {shop: {gone: {+enabled: true}}}\n"})
    (warning,) = parse(project).warnings
    assert "models.shop.gone" in warning


def test_missing_project_file(parse, make_project):
    project = make_project(GOOD)
    (project.sources / "dbt_project.yml").unlink()
    with pytest.raises(DbtProjectMissing) as missing:
        parse(project)
    assert missing.value.where.file == "dbt_project.yml"
    assert isinstance(missing.value, Permanent)


@pytest.mark.fault
def test_dbt_that_died_may_be_tried_again(dbt, make_project, children, wait_until):
    project = make_project({**GOOD, "models/slow.sql": SLOW})
    with ThreadPoolExecutor() as threads:
        parsing = threads.submit(_parse, dbt, project, timeout=60)
        wait_until(children, "dbt is running")
        children()[0].kill()
        with pytest.raises(DbtDied) as died:
            parsing.result(timeout=60)
    assert isinstance(died.value, Transient)
    assert "signal 9" in died.value.message


def test_a_project_that_takes_dbt_too_long_is_refused_and_not_tried_again(dbt, make_project, children, wait_until):
    project = make_project({**GOOD, "models/slow.sql": SLOW})
    with pytest.raises(DbtParseFailed, match=r"dbt took more than 0\.3 s") as refused:
        _parse(dbt, project, timeout=0.3)
    assert isinstance(refused.value, Permanent)
    wait_until(lambda: not children(), "the child is gone")


SLOW = (
    "{% for i in range(99999) %}{% for j in range(99999) %}{% set x = i * j %}{% endfor %}{% endfor %} select 1 as id"
)
"""Keeps the parser busy for longer than any test waits."""


def _parse(dbt, project, *, timeout: float) -> None:
    parse_project(
        dbt,
        project.sources,
        environment="dev",
        profiles_dir=project.profiles,
        state_dir=Path(project.folder, "state"),
        source=os.environ,
        timeout=timeout,
    )
