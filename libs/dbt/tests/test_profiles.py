"""Generated profiles."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from floe_contracts.artifacts import Compute
from floe_dbt.errors import DbtProfileInvalid
from floe_dbt.profiles import Target, render_profile, write_profile

TARGET = Target("prod", 4, Path("/data/shop.duckdb"), (Path("/src/shop"),))


def test_duckdb_profile():
    text = render_profile("duckdb", {"memory_limit": "2GB"}, TARGET)
    assert yaml.safe_load(text) == {
        "floe": {
            "target": "prod",
            "outputs": {
                "prod": {
                    "type": "duckdb",
                    "threads": 4,
                    "path": "/data/shop.duckdb",
                    "schema": "main",
                    "plugins": [
                        {"module": "floe_dbt.duckdb_sandbox", "config": {"allowed_directories": ["/src/shop"]}}
                    ],
                    "config_options": {"memory_limit": "2GB"},
                }
            },
        }
    }


def test_profile_of_an_artifacts_compute(tmp_path):
    compute = Compute(name="small", type="duckdb", threads=3, memory_limit="1GB")
    folder = tmp_path / "profiles"
    file = write_profile(
        folder, environment="dev", compute=compute, database=TARGET.database, allowed_directories=[tmp_path]
    )
    output = yaml.safe_load(file.read_text())["floe"]["outputs"]["dev"]
    assert file == folder / "profiles.yml"
    assert (output["threads"], output["config_options"]) == (3, {"memory_limit": "1GB"})
    assert output["plugins"][0]["config"] == {"allowed_directories": [str(tmp_path)]}


def test_all_problems_of_the_properties_at_once():
    with pytest.raises(DbtProfileInvalid) as refused:
        render_profile("duckdb", {"memory_limt": "1GB", "memory_limit": 1}, TARGET)
    assert refused.value.code == "FLOE-DBT-030"
    assert [str(problem) for problem in refused.value.problems] == [
        "FLOE-DBT-031 properties.memory_limt: there is no property 'memory_limt' (hint: did you mean 'memory_limit'?)",
        "FLOE-DBT-031 properties.memory_limit: memory_limit takes str, not 1",
    ]


def test_jinja_of_a_property_is_refused():
    with pytest.raises(DbtProfileInvalid) as refused:
        render_profile("duckdb", {"memory_limit": "{{ env_var('X') }}"}, TARGET)
    assert refused.value.problems[0].message == "memory_limit may not hold Jinja"


def test_unknown_compute():
    with pytest.raises(DbtProfileInvalid) as refused:
        render_profile("duckdbb", {}, TARGET)
    assert refused.value.problems[0].hint == "did you mean 'duckdb'?"


@pytest.mark.parametrize("path", ["shop.duckdb", "/data/{{ env_var('HOME') }}/shop.duckdb"])
def test_path_that_dbt_would_read_otherwise_is_refused(path):
    with pytest.raises(ValueError, match="not an absolute path without Jinja"):
        render_profile("duckdb", {}, Target("dev", 1, Path(path)))
