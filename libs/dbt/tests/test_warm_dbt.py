"""The owner of the fork server, and dbt without one."""

from __future__ import annotations

import asyncio
import os

import pytest

from floe_contracts.errors import Transient
from floe_dbt import shared
from floe_dbt.errors import DbtBusy, DbtTimedOut, DbtUnavailable
from floe_dbt.warm_dbt import WarmDbt

pytestmark = pytest.mark.dbt


def test_too_deep_a_folder_gets_a_short_socket(tmp_path):
    deep = tmp_path.joinpath(*["folder"] * 20)
    warm = WarmDbt(deep)
    assert len(os.fsencode(warm.socket)) <= 100
    assert not deep.exists()
    warm.stop()
    assert not warm.socket.parent.exists()


def test_stopped_before_it_was_ready(tmp_path):
    warm = WarmDbt(tmp_path / "server")
    warm.start()
    warm.stop()
    assert warm.pid is None
    assert not warm.socket.exists()


async def test_invocations_from_coroutines(dbt, make_project):
    projects = [make_project(name=name) for name in ("one", "two")]

    async def build(project) -> int:
        environment = {"DBT_PROFILES_DIR": str(project.profiles)}
        with (project.folder / "output").open("wb") as output:
            ended = await asyncio.to_thread(
                dbt.invoke,
                project.arguments("build"),
                cwd=project.sources,
                environment=environment,
                output=output,
                timeout=60,
            )
        return ended.returncode

    await asyncio.to_thread(dbt.wait_ready)
    assert await asyncio.gather(*map(build, projects)) == [0, 0]


def test_server_that_is_not_there(tmp_path):
    with pytest.raises(DbtUnavailable) as missing:
        WarmDbt(tmp_path / "server").wait_ready(timeout=0.01)
    assert isinstance(missing.value, Transient)
    assert missing.value.message.endswith("it logged nothing")


def test_server_that_cannot_start_says_why(tmp_path, wait_until):
    with WarmDbt(tmp_path / "server", max_waiting="many") as warm:  # type: ignore[arg-type]
        wait_until(lambda: "invalid int value: 'many'" in _refusal(warm), "the server says why")


def _refusal(warm: WarmDbt) -> str:
    with pytest.raises(DbtUnavailable) as refused:
        warm.wait_ready(timeout=0.01)
    return refused.value.message


def test_full_server(dbt, make_project, endless, begun, ask_for_help, tmp_path):
    for project in (endless, make_project(endless.files, "other")):
        begun(project.start(dbt, "build"))
    ask_for_help()
    with (tmp_path / "output").open("wb") as output, pytest.raises(DbtBusy, match="2 dbt processes are running"):
        dbt.invoke(["parse"], cwd=tmp_path, environment={}, output=output)


def test_services_of_one_process_share_a_server(tmp_path):
    first = shared.acquire(tmp_path / "dbt")
    assert shared.acquire(tmp_path / "." / "dbt") is first
    shared.release(tmp_path / "dbt")
    again = shared.acquire(tmp_path / "dbt")
    assert again is first
    shared.release(tmp_path / "dbt")
    shared.release(tmp_path / "dbt")
    assert not first.socket.exists()


def test_plain_dbt_where_forking_is_not_supported(make_project, tmp_path, canary):
    project = make_project({"models/leak.sql": "select '{{ env_var('SOMETHING_SECRET') }}' as leaked"})
    plain = WarmDbt(tmp_path / "plain", plain=True)
    plain.start()
    plain.wait_ready()
    ended = project.run(plain, "parse")
    assert ended.returncode == 2
    assert "Env var required but not provided: 'SOMETHING_SECRET'" in ended.stdout


def test_plain_dbt_is_waited_for_and_killed_in_time(tmp_path):
    plain = WarmDbt(tmp_path / "plain", plain=True)
    with (tmp_path / "output").open("w+b") as output:
        with pytest.raises(DbtTimedOut, match=r"dbt took more than 0\.1 s"):
            plain.invoke(["parse"], cwd=tmp_path, environment={}, output=output, timeout=0.1)
        ended = plain.invoke(["--nonsense"], cwd=tmp_path, environment=dict(os.environ), output=output)
        output.seek(0)
        assert ended.returncode == 2
        assert b"No such option '--nonsense'" in output.read()
