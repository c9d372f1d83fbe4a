"""What a hostile project can reach from its dbt child: Python models that try."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from floe_dbt import child_isolation
from floe_dbt.child_limits import ChildLimits
from floe_dbt.warm_dbt import WarmDbt

pytestmark = pytest.mark.dbt

PRYING = """
import json, os, resource, socket

TARGETS = {targets}

def reached(action):
    try:
        return repr(action())
    except Exception as error:
        return type(error).__name__

def read(path):
    with open(path, "rb") as file:
        return file.read(64)

def ask(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    connection.settimeout(20)
    return connection.recv(4096)

def model(dbt, session):
    tried = {{}}
    for name, pid in TARGETS.items():
        tried[name + " environ"] = reached(lambda: read(f"/proc/{{pid}}/environ"))
        tried[name + " memory"] = reached(lambda: read(f"/proc/{{pid}}/mem"))
        tried[name + " descriptors"] = reached(lambda: os.readlink(f"/proc/{{pid}}/fd/0"))
        tried[name + " signal"] = reached(lambda: os.kill(pid, 0))
    tried["ask"] = reached(lambda: ask({socket!r}))
    tried["environ"] = read("/proc/self/environ").decode()
    lines = open("/proc/self/status").read().splitlines()
    tried["status"] = dict(line.split(":\\t") for line in lines if ":\\t" in line)
    tried["core"] = resource.getrlimit(resource.RLIMIT_CORE)
    tried["ids"] = [os.getpid(), os.getpgid(0), os.getsid(0)]
    tried["variables"] = sorted(os.environ)
    return session.sql("select '" + json.dumps(tried).replace("'", "''") + "' as tried")
"""

DAEMON = """
import os, subprocess, sys, time

def model(dbt, session):
    script = (
        "import os, sys, time\\n"
        "if os.fork(): os._exit(0)\\n"
        "os.setsid()\\n"
        "if os.fork(): os._exit(0)\\n"
        "os.close(1), os.close(2)\\n"
        "open(sys.argv[1], 'w').write(str(os.getpid()))\\n"
        "time.sleep(600)\\n"
    )
    files = [{folder!r} + "/" + name for name in ("one", "two")]
    for file in files:
        subprocess.run([sys.executable, "-c", script, file], check=True)
    while not all(os.path.exists(file) and os.path.getsize(file) for file in files):
        time.sleep(0.01)
    {then}
    return session.sql("select 1 as one")
"""

SECRET = {"DBT_ENV_SECRET_FLOE_PASSWORD": "canary-of-another"}


@pytest.fixture
def pried(dbt, make_project, endless, begun, children):
    """What a model could reach while another product's dbt was running with a secret."""
    other = begun(endless.start(dbt, "build", **SECRET))
    (child,) = children()
    targets = {"owner": os.getpid(), "server": dbt.pid, "child": child.pid, "client": other.pid}
    project = make_project({"models/prying.py": PRYING.format(targets=targets, socket=str(dbt.socket))})
    ended = project.run(dbt, "run")
    assert ended.returncode == 0, ended.stdout
    ((tried,),) = project.rows("select tried from prying")
    return json.loads(tried)


@pytest.mark.skipif(child_isolation.landlock_version() < 6, reason="signals are kept in by Linux 6.12 and later")
def test_a_project_reaches_no_other_process(pried):
    tried = {
        name: outcome for name, outcome in pried.items() if name.split()[0] in ("owner", "server", "child", "client")
    }
    assert len(tried) == 16
    assert set(tried.values()) == {"PermissionError"}


def test_a_project_cannot_have_the_server_start_another_dbt(pried):
    assert "what dbt has started may not start dbt" in pried["ask"]


def test_a_child_has_no_privilege_and_a_session_of_its_own(pried):
    status = pried["status"]
    assert status["NoNewPrivs"] == "1"
    assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {0}
    assert pried["core"] == [0, 0]
    assert len(set(pried["ids"])) == 1


def test_the_first_environment_of_a_child_is_the_allow_list_too(pried, canary):
    names = {variable.partition("=")[0] for variable in pried["environ"].split("\0") if variable}
    assert names <= {"HOME", "LANG", "PATH", "TMPDIR", "TZ", "DBT_SEND_ANONYMOUS_USAGE_STATS"} | _locale()
    assert canary not in pried["environ"]
    assert "FLOE_DBT_SOCKET" not in pried["variables"]


def test_secrets_of_a_request_never_enter_the_server(dbt, endless, begun):
    begun(endless.start(dbt, "build", **SECRET))
    found = [area for area in _memory(dbt.pid) if SECRET["DBT_ENV_SECRET_FLOE_PASSWORD"].encode() in area]
    assert found == []


@pytest.mark.parametrize(
    ("then", "ends"), [("", "by itself"), ("os.kill(os.getpid(), 9)", "killed"), ("time.sleep(600)", "cancelled")]
)
def test_daemons_of_a_project_end_with_its_child(dbt, make_project, wait_until, then, ends, tmp_path):
    pids = tmp_path / "pids"
    pids.mkdir()
    project = make_project({"models/daemon.py": DAEMON.format(folder=str(pids), then=then)})
    client = project.start(dbt, "run")
    wait_until(lambda: len([file for file in pids.iterdir() if file.read_text()]) == 2, "two daemons have begun", 60)
    if ends == "cancelled":
        client.terminate()
    client.communicate(timeout=60)
    daemons = [int(file.read_text()) for file in pids.iterdir()]
    wait_until(lambda: not any(Path(f"/proc/{daemon}").exists() for daemon in daemons), "they are gone")
    assert (client.returncode == 0) == (ends == "by itself")


CONCEALED = """
import os, signal
from floe_dbt.child_isolation import drop_privileges, conceal
read, write = os.pipe()
if not (pid := os.fork()):
    drop_privileges()
    {conceal}
    os.write(write, b".")
    signal.pause()
os.read(read, 1)
drop_privileges()
try:
    open(f"/proc/{{pid}}/environ").read()
except PermissionError:
    print("refused")
else:
    print("readable")
os.kill(pid, 9)
"""


@pytest.mark.parametrize(("conceal", "told"), [("conceal()", "refused"), ("", "readable")])
def test_a_concealed_process_cannot_be_read_by_its_user(conceal, told):
    assert _python(CONCEALED.format(conceal=conceal)) == told


ENTERED = """
import os, signal
from floe_dbt.child_isolation import drop_privileges, enter_domain
drop_privileges()
if not (pid := os.fork()):
    signal.pause()
if os.fork():
    os.wait()
    os.kill(pid, 9)
    os._exit(0)
enter_domain({version})
os.mkdir("a"), os.mkdir("b"), open("a/file", "w").close()
os.rename("a/file", "b/file")
try:
    open(f"/proc/{{pid}}/environ").read()
except PermissionError:
    print("refused")
else:
    print("readable")
"""


@pytest.mark.parametrize(("version", "told"), [(1, "readable"), (2, "refused"), (5, "refused"), (6, "refused")])
def test_domain_of_each_landlock_keeps_processes_apart_and_lets_files_move(version, told, tmp_path):
    if child_isolation.landlock_version() < version:
        pytest.skip("this kernel has an older Landlock")
    assert _python(ENTERED.format(version=version), cwd=tmp_path) == told


def _python(script: str, cwd: Path | None = None) -> str:
    ended = subprocess.run([sys.executable, "-c", script], cwd=cwd, capture_output=True, text=True, check=False)
    return ended.stdout.strip() or ended.stderr


def _locale() -> set[str]:
    return {name for name in os.environ if name.startswith("LC_")}


def _memory(pid: int) -> list[bytes]:
    """The private memory of a process; whoever runs the tests is its parent and may be root."""
    areas = []
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb") as memory:
        for line in maps:
            span, access, _offset, _device, _inode, *name = line.split()
            if access.startswith("rw") and (not name or name[0].startswith("[heap")):
                start, end = (int(edge, 16) for edge in span.split("-"))
                memory.seek(start)
                areas.append(memory.read(end - start))
    return areas


SHOWING = """
import sys
status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
print(status["NoNewPrivs"], int(status["CapEff"], 16), sys.argv[1:])
"""


def test_a_module_runs_isolated_from_its_first_import_on(tmp_path):
    (tmp_path / "showing.py").write_text(SHOWING)
    command = [sys.executable, "-m", "floe_dbt.isolated", "showing", "argument"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.stdout == "1 0 ['argument']\n", ended.stderr


def test_plain_dbt_is_isolated_and_limited_too(make_project, tmp_path):
    shown = "import resource, sys\nsys.path.insert(0, '.')\n" + SHOWING.replace("print(", "told = (")
    limit = "\ntold = (*told, resource.getrlimit(resource.RLIMIT_DATA)[0])\n"
    project = make_project({"models/shown.py": f"def model(dbt, session):\n{_indented(shown + limit)}"})
    plain = WarmDbt(tmp_path / "plain", plain=True)
    ended = project.run(plain, "run", **ChildLimits(2 << 30).variables())
    assert ended.returncode == 0, ended.stdout
    ((told,),) = project.rows("select told from shown")
    assert told.startswith("('1', 0,")
    assert told.endswith(f"{2 << 30})")


def _indented(text: str) -> str:
    body = text.strip() + '\nreturn session.sql("select $$" + str(told) + "$$ as told")'
    return "".join(f"    {line}\n" for line in body.splitlines())
