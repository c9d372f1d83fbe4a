"""A run does not wait for whoever is to be told of it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .processes import FLOE
from .products import write_tiny_product


@pytest.fixture
def mute() -> Iterator[str]:
    """The address of a server that takes connections and never says anything."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(128)
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_run_ends_while_a_backend_never_answers(mute: str, tmp_path: Path) -> None:
    folder = write_tiny_product(tmp_path / "tiny", "tiny")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLOE_")}
    environment |= {"FLOE_LINEAGE_BACKENDS": "file,http", "FLOE_LINEAGE_HTTP_URL": mute}

    def floe(*arguments: str) -> str:
        done = subprocess.run(
            [FLOE, *arguments, str(folder), "--json"], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert json.loads(floe("run"))["status"] == "completed"
    backends = {entry["name"]: entry for entry in json.loads(floe("lineage", "backends"))["backends"]}
    told = (folder / ".floe" / "lineage.jsonl").read_text().splitlines()
    assert backends["http"]["accepted"] == 0
    assert backends["http"]["waiting"] >= len(told) >= 4, "nothing is lost for it"
