"""The real `dbt-ol` publishes by the transport."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from floe_chassis.bus import Bus
from floe_chassis.stream_reader import read_stream
from floe_chassis.topology import LINEAGE

pytestmark = pytest.mark.bus

PROJECT = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: shop\n",
    "profiles.yml": "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb, threads: 1}}}\n",
    "models/orders.sql": "select 1 as id, 'ada' as customer\n",
    "models/customers.sql": "select customer from {{ ref('orders') }}\n",
}


@pytest.fixture
def build(tmp_path: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Runs `dbt-ol build` on a small project, with the transport configured for a bus."""
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    def run(url: str) -> subprocess.CompletedProcess[str]:
        transport = {
            "type": "floe_openlineage_nats.NatsTransport",
            "url": url,
            "subject": "floe.v1.lineage.acme.prod.dbt-ol.{job}.{eventType}",
            "publishTimeout": 2,
        }
        (tmp_path / "openlineage.yml").write_text(json.dumps({"transport": transport}))
        scripts = Path(sys.executable).parent
        environment = {
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "OPENLINEAGE_CONFIG": str(tmp_path / "openlineage.yml"),
            "OPENLINEAGE_NAMESPACE": "shop",
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }
        command = [str(scripts / "dbt-ol"), "build", "--profiles-dir", "."]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)

    return run


async def test_what_dbt_ol_tells_is_on_the_stream(bus: Bus, bus_settings, build) -> None:
    shown = await asyncio.to_thread(build, bus_settings.nats_url)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    messages = [message async for message in read_stream(bus.js, LINEAGE, "floe.v1.lineage.acme.prod.dbt-ol.>")]
    events: list[dict[str, Any]] = [json.loads(message.data) for message in messages]
    completed = [event["job"]["name"] for event in events if event["eventType"] == "COMPLETE"]
    assert len(completed) == 3  # the run of dbt, and each model
    assert any("orders" in name for name in completed)
    assert any("customers" in name for name in completed)
    assert {message.headers["Floe-Root-Run-Id"] for message in messages} == {
        next(event["run"]["runId"] for event in events if event["job"]["name"].startswith("dbt-run"))
    }
