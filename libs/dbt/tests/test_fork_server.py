"""The warm fork server and its client, with real dbt."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from floe_dbt import wire
from floe_dbt.errors import DbtUnavailable

pytestmark = pytest.mark.dbt

PYTHON_MODEL = """
import subprocess

def model(dbt, session):
    sleeper = subprocess.Popen(["sleep", "600"])
    return session.sql(f"select {sleeper.pid} as pid")
"""

FOREVER = "select count(*) as n from range(1000000000) a, range(1000000000) b where a.range % 7 = b.range % 11"

OWNER = """
import os, subprocess, sys
from pathlib import Path
from floe_dbt.warm_dbt import WarmDbt

warm = WarmDbt(Path(sys.argv[1]))
warm.start()
warm.wait_ready()
client = subprocess.Popen([warm.executable, *sys.argv[2:]], env={**os.environ, **warm.variables}, stdout=sys.stdout)
print(f"SERVER {warm.pid}", flush=True)
client.wait()
"""


def test_build_leaves_tables_and_no_write_ahead_log(dbt, make_project):
    project = make_project()
    ended = project.run(dbt, "build")
    assert ended.returncode == 0, ended.stdout
    assert project.rows("select * from customers order by customer") == [("ann", 2), ("bob", 1)]
    assert [path.name for path in project.database.parent.iterdir()] == ["shop.duckdb"]


def test_failed_node_is_dbts_own_code(dbt, make_project):
    project = make_project({"models/broken.sql": "select nothing_there from range(3)"})
    ended = project.run(dbt, "build")
    assert ended.returncode == 1
    assert "Binder Error" in ended.stdout


def test_wrong_usage_is_dbts_own_code(dbt, make_project):
    ended = make_project().run(dbt, "bulid")
    assert ended.returncode == 2
    assert "No such command 'bulid'" in ended.stdout


@pytest.mark.fault
def test_interrupt_of_the_client_cancels_the_query(dbt, make_project, begun, children, wait_until):
    client = begun(make_project({"models/forever.sql": FOREVER}).start(dbt, "build"))
    (child,) = children()
    before = child.cpu_times().user
    wait_until(lambda: child.cpu_times().user > before + 0.5, "the query is running")  # only then it can be interrupted
    client.send_signal(signal.SIGINT)
    output, _ = client.communicate(timeout=60)
    assert client.returncode == 2
    assert "CANCEL query model.shop.forever" in output


@pytest.mark.fault
def test_dbt_that_does_not_end_when_cancelled_is_killed(dbt, endless, begun, wait_until):
    client = begun(endless.start(dbt, "build"))
    wait_until((endless.sources / "sleeping").exists, "the model sleeps")  # until then dbt ends by itself
    client.send_signal(signal.SIGINT)
    client.communicate(timeout=60)
    assert client.returncode == 128 + signal.SIGKILL


@pytest.mark.fault
def test_termination_of_the_client_ends_dbt(dbt, endless, begun):
    client = begun(endless.start(dbt, "build"))
    client.terminate()
    client.communicate(timeout=60)
    assert client.returncode == 128 + signal.SIGTERM


@pytest.mark.fault
def test_killed_child_is_told_from_dbts_own_codes(dbt, endless, begun, children):
    client = begun(endless.start(dbt, "build"))
    (child,) = children()
    child.kill()
    output, _ = client.communicate(timeout=60)
    assert client.returncode == 128 + signal.SIGKILL
    assert "floe-dbt: dbt was killed by SIGKILL" in output


@pytest.mark.fault
def test_killed_client_takes_its_child_along(dbt, endless, begun, children, wait_until):
    client = begun(endless.start(dbt, "build"))
    (child,) = children()
    client.kill()
    wait_until(lambda: not _is_alive(child), "the child is gone")


@pytest.mark.fault
def test_killed_server_takes_its_children_along_and_is_started_again(
    dbt, make_project, endless, begun, children, wait_until
):
    client = begun(endless.start(dbt, "build"))
    other = make_project(endless.files, name="other")
    with (other.folder / "output").open("wb") as output, ThreadPoolExecutor() as threads:
        environment = {"DBT_PROFILES_DIR": str(other.profiles)}
        invoking = threads.submit(
            dbt.invoke, other.arguments("build"), cwd=other.sources, environment=environment, output=output
        )
        wait_until(lambda: len(children()) == 2, "both are running")
        running, before = children(), dbt.pid
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: not any(map(_is_alive, running)), "the children are gone")
        with pytest.raises(DbtUnavailable, match="broke off"):
            invoking.result(timeout=60)
    told, _ = client.communicate(timeout=60)
    assert client.returncode == 3
    assert "broke off" in told
    wait_until(lambda: dbt.pid not in (None, before), "another server is ready", seconds=60)
    assert "Usage: dbt" in endless.run(dbt, "--help").stdout


@pytest.mark.fault
def test_killed_owner_leaves_no_process(endless, tmp_path, wait_until):
    command = [sys.executable, "-c", OWNER, str(tmp_path / "owned"), *endless.arguments("build")]
    owner = subprocess.Popen(
        command,
        cwd=endless.sources,
        env={**os.environ, "DBT_PROFILES_DIR": str(endless.profiles)},
        stdout=subprocess.PIPE,
        text=True,
    )
    lines = []
    while not (any("LogStartLine" in line for line in lines) and any("SERVER" in line for line in lines)):
        line = owner.stdout.readline()
        assert line, lines
        lines.append(line)
    server = psutil.Process(int(next(line.split()[1] for line in lines if line.startswith("SERVER"))))
    processes = [server, *server.children(recursive=True)]
    assert len(processes) >= 2
    owner.kill()
    owner.communicate()
    wait_until(lambda: not any(map(_is_alive, processes)), "server and children are gone")


def test_server_whose_owner_is_gone_already_does_not_warm_up(tmp_path):
    command = [sys.executable, "-P", "-m", "floe_dbt.fork_server", "--socket", str(tmp_path / "dbt.sock")]
    read, write = os.pipe()
    os.close(write)
    done = subprocess.run(command, stdin=read, capture_output=True, timeout=60, check=False)
    os.close(read)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_what_a_model_leaves_running_is_killed(dbt, make_project, wait_until):
    project = make_project({"models/sleeper.py": PYTHON_MODEL})
    ended = project.run(dbt, "run")
    assert ended.returncode == 0, ended.stdout
    ((pid,),) = project.rows("select pid from sleeper")
    wait_until(lambda: not psutil.pid_exists(pid) or not _is_alive(psutil.Process(pid)), "the sleeper is gone")


def test_an_ended_client_does_not_wait_for_another_child(dbt, endless, begun):
    client = begun(endless.start(dbt, "build"))
    assert "Usage: dbt" in endless.run(dbt, "--help").stdout  # its pipe is not held open by the other child
    assert client.poll() is None


def test_two_builds_at_the_same_time(dbt, make_project):
    projects = [make_project(name=name) for name in ("one", "two")]
    clients = [project.start(dbt, "build") for project in projects]
    for client, project in zip(clients, projects, strict=True):
        output, _ = client.communicate(timeout=60)
        assert client.returncode == 0, output
        assert project.rows("select count(*) from orders") == [(3,)]


def test_third_waits_and_fourth_is_refused(dbt, make_project, endless, begun, children, ask_for_help):
    running = [begun(project.start(dbt, "build")) for project in (endless, make_project(endless.files, "other"))]
    waiting = ask_for_help()
    refused = make_project(name="refused").run(dbt, "build")
    assert refused.returncode == 75
    assert "2 dbt processes are running and 1 wait" in refused.stdout
    assert len(children()) == 2
    running[0].kill()
    started, ended = wire.read_replies(waiting)
    assert started["pid"] > 0
    assert ended["returncode"] == 0


def test_waiting_client_can_be_cancelled(dbt, make_project, endless, begun, wait_until, connections):
    for project in (endless, make_project(endless.files, name="other")):
        begun(project.start(dbt, "build"))
    waiting = endless.start(dbt, "build")
    wait_until(lambda: connections() == 3, "the third has connected")
    waiting.send_signal(signal.SIGINT)
    waiting.communicate(timeout=20)
    assert waiting.returncode == 128 + signal.SIGINT


def test_signal_right_behind_the_request_is_heard(dbt, tmp_path):
    body = b'{"program": "dbt", "arguments": ["--help"], "cwd": "/", "limits": {}}'
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(dbt.socket))
        connection.settimeout(20)
        message = wire.HEADER.pack(len(body)) + body + bytes([signal.SIGINT])
        with (tmp_path / "environment").open("w+b") as environment:
            environment.write(b"{}")
            environment.seek(0)
            socket.send_fds(connection, [message], [0, 1, 2, environment.fileno()])
        assert [reply["returncode"] for reply in wire.read_replies(connection)] == [-signal.SIGINT]


def test_stalled_client_stops_nobody(dbt, make_project):
    with socket.socket(socket.AF_UNIX) as stalled:
        stalled.connect(str(dbt.socket))
        stalled.sendall(wire.HEADER.pack(100) + b"half a request")
        assert "Usage: dbt" in make_project().run(dbt, "--help").stdout
        stalled.settimeout(20)
        assert next(wire.read_replies(stalled)) == {"refused": "no whole request came within 3 s"}
        assert stalled.recv(1) == b""


@pytest.mark.parametrize(
    ("body", "descriptors", "reason"),
    [
        (b"no json", 4, "the request cannot be read"),
        (b'{"program": "dbt", "arguments": [1], "cwd": "/", "limits": {}}', 4, "arguments and cwd are text"),
        (b"[" * 100_000, 4, "the request cannot be read"),
        (b'{"program": "dbt", "arguments": [], "cwd": "/", "limits": []}', 4, "the request cannot be read"),
        (b'{"program": "dbt"}', 4, "the request cannot be read"),
        (b'{"program": "rm", "arguments": [], "cwd": "/", "limits": {}}', 4, "is not a valid Program"),
        (
            b'{"program": "dbt", "arguments": [], "cwd": "/", "limits": {}}',
            1,
            "a request comes with 4 descriptors, this one with 1",
        ),
    ],
)
def test_rubbish_is_refused(dbt, body, descriptors, reason):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(dbt.socket))
        connection.settimeout(20)
        socket.send_fds(connection, [wire.HEADER.pack(len(body)) + body], [0] * descriptors)
        assert reason in next(wire.read_replies(connection))["refused"]


def test_too_long_a_request_is_refused_before_it_is_read(dbt):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(dbt.socket))
        connection.settimeout(20)
        connection.sendall(wire.HEADER.pack(wire.MAX_REQUEST_BYTES + 1))
        assert "a request may have" in next(wire.read_replies(connection))["refused"]


def test_folder_that_is_gone_is_said(dbt, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f"cd {gone} && rmdir {gone} && exec {dbt.executable} parse"
    ended = subprocess.run(
        ["sh", "-c", script], env={**os.environ, **dbt.variables}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 69
    assert "No such file" in ended.stderr


def test_child_that_cannot_start_says_so(dbt, tmp_path):
    with (tmp_path / "output").open("w+b") as output:
        ended = dbt.invoke(["parse"], cwd=tmp_path / "nowhere", environment={}, output=output)
        output.seek(0)
        assert ended.returncode == 71
        assert b"dbt could not be started" in output.read()


def test_only_the_owner_may_connect(dbt):
    assert dbt.socket.stat().st_mode & 0o777 == 0o600
    assert dbt.socket.parent.stat().st_mode & 0o777 == 0o700


def test_child_has_the_environment_of_its_asker_and_nothing_else(dbt, make_project, canary):
    show = "{% macro show() %}{{ log(env_var('DBT_LOG_PATH', 'none') ~ '|' ~ env_var('SOMETHING_SECRET', 'none')) }}"
    project = make_project({"macros/show.sql": show + "{% endmacro %}"})
    with (project.folder / "output").open("w+b") as output:
        environment = {"DBT_LOG_PATH": str(project.folder / "logs"), "DBT_PROFILES_DIR": str(project.profiles)}
        arguments = ["--quiet", "--log-level", "debug", "run-operation", "show"]
        ended = dbt.invoke(arguments, cwd=project.sources, environment=environment, output=output)
        output.seek(0)
        text = output.read().decode()
    assert ended.returncode == 0, text
    assert canary not in text


def test_models_cannot_read_the_environment_and_nothing_of_it_is_written(dbt, make_project, canary):
    project = make_project({"models/leak.sql": "select '{{ env_var('SOMETHING_SECRET') }}' as leaked"})
    ended = project.run(dbt, "build")
    assert ended.returncode == 2
    assert "Env var required but not provided: 'SOMETHING_SECRET'" in ended.stdout
    project.write({"models/leak.sql": "select '{{ env_var('SOMETHING_SECRET', 'nothing') }}' as leaked"})
    ended = project.run(dbt, "build")
    assert ended.returncode == 0, ended.stdout
    assert project.rows("select leaked from leak") == [("nothing",)]
    written = [path for path in project.folder.rglob("*") if path.is_file()]
    assert any(path.name == "manifest.json" for path in written)
    assert [path for path in written if canary.encode() in path.read_bytes()] == []
    assert canary not in ended.stdout


def test_server_itself_does_not_hold_the_owners_environment(dbt, canary):
    assert canary.encode() not in Path(f"/proc/{dbt.pid}/environ").read_bytes()


def test_usage_of_a_child_is_told(dbt, make_project):
    project = make_project()
    with (project.folder / "output").open("wb") as output:
        ended = dbt.invoke(
            project.arguments("parse"),
            cwd=project.sources,
            environment={"DBT_PROFILES_DIR": str(project.profiles)},
            output=output,
        )
    assert ended.returncode == 0
    assert 0 < ended.cpu_seconds < 60
    assert ended.max_rss_bytes > 50 << 20
    lines = (project.folder / "output").read_text().splitlines()
    assert all(json.loads(line)["info"] for line in lines)


def _is_alive(process: psutil.Process) -> bool:
    """Whether it runs; whoever inherits a killed process may take its time to reap it."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
