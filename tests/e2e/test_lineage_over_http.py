"""The page about following lineage over HTTP: each of its commands, as it stands there, against a stack."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from running_stack import RunningStack

PAGE: Final = Path(__file__).parents[2] / "docs/how-to/follow-lineage-over-http.md"
ADDRESS: Final = "http://127.0.0.1:8080"
BLOCKS: Final = [block.strip() for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)]
CURLS: Final = [command for block in BLOCKS for command in re.split(r"\n(?=curl)", block) if command.startswith("curl")]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """What the first command of the page starts: a stack on an empty folder."""
    assert BLOCKS[0] == "floe up demo --http-port 8080"
    running = RunningStack(tmp_path_factory.mktemp("http") / "demo")
    yield running
    running.stop()


def test_every_command_of_the_page_does_what_the_page_says(stack: RunningStack) -> None:
    found = re.search(r"^gateway\s+(http\S+)", stack.said.read_text(), re.MULTILINE)
    assert found, stack.said.read_text()

    def started(command: str) -> subprocess.Popen[str]:
        here = [word.replace(ADDRESS, found[1]) for word in shlex.split(command)]
        assert here[0] == "curl"
        return subprocess.Popen([*here, "--silent", "--max-time", "120"], stdout=subprocess.PIPE, text=True)

    def told(following: subprocess.Popen[str]) -> dict[str, str]:
        """The fields of the first event."""
        fields: dict[str, str] = {}
        assert following.stdout is not None
        for line in following.stdout:
            name, _, value = line.rstrip("\n").partition(": ")
            if not name and "data" in fields:
                break
            fields |= {name: value} if name else {}
        following.kill()
        following.communicate()
        return fields

    first, send, *later = CURLS
    follower = started(first)
    answer, _ = started(send).communicate(timeout=120)
    assert json.loads(answer)["duplicate"] is False
    event = told(follower)
    assert (event["retry"], event["id"], event["event"]) == ("2000", "1", "lineage")
    sent = json.loads(shlex.split(send)[shlex.split(send).index("-d") + 1])
    assert json.loads(event["data"]) == sent
    following = [command for command in later if " -N " in command]
    assert len(following) == 2
    for command in following:
        assert json.loads(told(started(command))["data"]) == sent

    def known(command: str, key: str) -> list[dict[str, Any]]:
        """What the answer holds, once the lineage service has read the event."""
        deadline = time.monotonic() + 60
        while key not in (document := json.loads(started(command).communicate(timeout=120)[0])):
            assert time.monotonic() < deadline, document
            time.sleep(0.05)
        listed: list[dict[str, Any]] = document[key]
        return listed

    graph, impact = (each for each in later if " -N " not in each)
    assert [node["name"] for node in known(graph, "nodes")] == ["shop.raw.orders", "orders", "orders.csv"]
    assert [entry["node"]["name"] for entry in known(impact, "entries")] == ["orders", "shop.raw.orders"]
