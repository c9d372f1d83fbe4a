"""Limits of a child: who hits one is told so, and the others live on."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from floe_dbt.child_limits import ChildLimits, is_out_of_memory, limits_from

pytestmark = pytest.mark.dbt

MEMORY = 600 << 20
HUNGRY = {
    "duckdb": {"models/hungry.sql": "select i, count(*) as n, list(i) as l from range(60000000) t(i) group by i"},
    "python": {
        "models/hungry.py": "def model(dbt, session):\n    kept = [bytearray(50_000_000) for _ in range(40)]\n"
        "    return session.sql(f'select {len(kept)} as n')\n"
    },
}


def test_limits_go_through_the_environment_and_back():
    limits = ChildLimits(memory_bytes=1, open_files=3)
    assert limits.variables() == {"FLOE_DBT_CHILD_MEMORY": "1", "FLOE_DBT_CHILD_OPEN_FILES": "3"}
    assert limits_from({**limits.variables(), "OTHER": "x"}) == limits
    with pytest.raises(ValueError, match="invalid literal"):
        limits_from({"FLOE_DBT_CHILD_MEMORY": "much"})


@pytest.mark.parametrize("eater", HUNGRY)
def test_hungry_model_fails_for_memory_and_everybody_else_lives_on(dbt, make_project, endless, begun, eater):
    other = begun(endless.start(dbt, "build"))
    server = dbt.pid
    project = make_project({**HUNGRY[eater], "models/modest.sql": "select 1 as one"}, memory_limit="20GB")
    ended = project.run(dbt, "build", **ChildLimits(MEMORY).variables())
    assert ended.returncode == 1, ended.stdout
    failures = [line for line in _messages(ended.stdout) if "hungry" in line and is_out_of_memory(line)]
    assert failures, ended.stdout
    assert project.rows("select one from modest") == [(1,)]
    assert (dbt.pid, other.poll()) == (server, None)


def test_a_modest_build_fits_into_a_small_limit(dbt, make_project):
    project = make_project()
    ended = project.run(dbt, "build", **ChildLimits(MEMORY, file_bytes=10 << 20, open_files=256).variables())
    assert ended.returncode == 0, ended.stdout


def test_too_large_a_file_is_not_written(dbt, make_project):
    project = make_project({"models/large.sql": "select i, md5(i::varchar) as m from range(300000) t(i)"})
    ended = project.run(dbt, "build", **ChildLimits(file_bytes=2 << 20).variables())
    assert ended.returncode == 1, ended.stdout
    assert "File too large" in ended.stdout
    assert max(file.stat().st_size for file in project.folder.rglob("*") if file.is_file()) <= 2 << 20


def test_invocation_without_a_client_is_limited_too(dbt, make_project, tmp_path):
    project = make_project(HUNGRY["python"])
    with (tmp_path / "output").open("w+b") as output:
        ended = dbt.invoke(
            project.arguments("build"),
            cwd=project.sources,
            environment={"DBT_PROFILES_DIR": str(project.profiles)},
            output=output,
            limits=ChildLimits(MEMORY),
        )
        output.seek(0)
        assert ended.returncode == 1
        assert is_out_of_memory(io.TextIOWrapper(output).read())


def test_children_go_first_when_the_machine_runs_out_of_memory(dbt, begun, endless, children):
    begun(endless.start(dbt, "build"))
    (child,) = children()
    own, of_child = (int(Path(f"/proc/{pid}/oom_score_adj").read_text()) for pid in (os.getpid(), child.pid))
    assert of_child == min(1000, own + 500)


def _messages(output: str) -> list[str]:
    lines = [line for line in output.splitlines() if line.startswith("{")]
    return [str(json.loads(line)["info"]["msg"]) for line in lines]
