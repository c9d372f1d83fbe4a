"""The image of a service has what it needs of this repository, and its lock has what comes from outside."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "images" / "Dockerfile"
SERVICES = ("gateway", "compiler", "executor", "catalog", "semantic", "lineage")


def dependencies(member: str) -> set[str]:
    """Names of the packages that a member of the workspace needs, of the workspace and from outside."""
    project = tomllib.loads((ROOT / member / "pyproject.toml").read_text())["project"]
    return {re.split(r"[\[<>=~! ]", requirement)[0].lower() for requirement in project["dependencies"]}


def member_of(package: str) -> str | None:
    """The folder of a package of the workspace."""
    name = package.removeprefix("floe-")
    found = (folder for folder in (f"libs/{name}", f"services/{name}", name) if (ROOT / folder).is_dir())
    return next(found, None) if package.startswith("floe-") else None


def closure(member: str) -> set[str]:
    """A member and every member that it needs."""
    needed = (member_of(package) for package in dependencies(member))
    return {member}.union(*(closure(other) for other in needed if other))


@pytest.mark.parametrize("service", SERVICES)
def test_the_image_installs_every_package_of_the_workspace_that_the_service_needs(service: str) -> None:
    (members,) = re.findall(rf"^members-{service} := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(members.split()) == closure(f"services/{service}") | closure("cli")


@pytest.mark.parametrize("service", SERVICES)
def test_the_lock_of_a_service_holds_what_it_needs_from_outside(service: str) -> None:
    locked = set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / "requirements" / f"{service}.txt").read_text(), re.MULTILINE))
    members = closure(f"services/{service}") | closure("cli")
    needed = {package for member in members for package in dependencies(member) if member_of(package) is None}
    assert {package.replace("_", "-") for package in needed} <= locked


def test_what_the_image_copies_is_there_and_reaches_the_build() -> None:
    lines = re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE.read_text(), re.MULTILINE)
    copied = [name for line in lines for name in line.split()]
    admitted = [
        line[1:] for line in Path(f"{DOCKERFILE}.dockerignore").read_text().splitlines() if line.startswith("!")
    ]
    assert sorted(copied) == sorted(admitted)
    assert all((ROOT / name).exists() for name in copied)


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_the_healthcheck_of_the_image_asks_healthz(status: int, healthy: bool) -> None:
    asked = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.handle_request).start()
    (command,) = re.findall(r'HEALTHCHECK .*CMD \["python", "-c", "(.*)"\]', DOCKERFILE.read_text())
    environment = {"FLOE_HTTP_PORT": str(server.server_port)}
    program = [sys.executable, "-c", command.replace('\\"', '"')]
    done = subprocess.run(program, env=environment, capture_output=True, check=False)
    server.server_close()
    assert (done.returncode == 0) == healthy
    assert asked == ["/healthz"]
