"""`floe lineage backends` and `floe lineage replay` beside a lineage service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from floe_chassis.bus import Bus
from floe_chassis.settings import ChassisSettings
from floe_chassis.testing import eventually
from floe_cli.exit_codes import ExitCode
from floe_cli.lineage_backend_views import backends_table, replay_in_words
from floe_cli.run_views import table_console
from floe_cli.stack.services import load_service
from floe_contracts import subjects
from floe_contracts.lineage_requests import BackendEntry, ReplayStarted

Floe = Callable[..., Any]


@pytest.fixture
async def lines(
    bus: Bus, configured: ChassisSettings, floe: Floe, tmp_path: Path
) -> AsyncIterator[Callable[[], list[Any]]]:
    """The lines of the file to which a lineage service has forwarded three events."""
    file = tmp_path / "lineage.jsonl"
    applied = await asyncio.to_thread(floe, "topology", "apply")
    assert applied.code == ExitCode.OK, applied.err
    for number in range(3):
        subject = subjects.lineage("default", "dev", "shop", "orders", "START")
        await bus.publish_raw(subject, json.dumps({"n": number}).encode(), {}, f"event-{number}")
    service = load_service("lineage")({"FLOE_NATS_URL": configured.nats_url, "FLOE_LINEAGE_FILE": str(file)})
    await service.start()

    def read() -> list[Any]:
        whole = file.read_text().rpartition("\n")[0] if file.exists() else ""  # the last line may be half-written
        return [json.loads(line) for line in whole.splitlines()]

    try:
        await eventually(lambda: len(read()) == 3)
        yield read
    finally:
        await service.stop()


@pytest.mark.bus
async def test_backends_are_listed_and_one_gets_all_again(lines: Callable[[], list[Any]], floe: Floe) -> None:
    async def handled() -> Any:
        (entry,) = json.loads((await asyncio.to_thread(floe, "lineage", "backends", "--json")).out)["backends"]
        return entry if entry["waiting"] == 0 else None

    entry = await eventually(handled)
    assert (entry["name"], entry["breaker"], entry["accepted"], entry["last_error"]) == ("file", "closed", 3, None)
    told = await asyncio.to_thread(floe, "lineage", "backends")
    assert told.out.splitlines()[1].split() == ["file", "0", "0", "closed", "3", "0"]

    planned = await asyncio.to_thread(floe, "lineage", "replay", "--backend", "file", "--since", "1h", "--dry-run")
    assert planned.out.startswith("file would get 3 events, from number 1 of 20")
    assert len(lines()) == 3
    done = await asyncio.to_thread(floe, "lineage", "replay", "--backend", "file", "--since", "1h", "--json")
    assert (done.code, json.loads(done.out)["events"]) == (ExitCode.OK, 3)
    await eventually(lambda: [line["n"] for line in lines()] == [0, 1, 2, 0, 1, 2])
    await eventually(handled)  # what is written and not acknowledged yet would still be told of
    nothing = await asyncio.to_thread(floe, "lineage", "replay", "--backend", "file", "--since", "2100-01-01T00:00:00Z")
    assert nothing.out == "nothing was stored since then: file gets nothing again\n"


@pytest.mark.bus
async def test_wrong_wishes_are_told(lines: Callable[[], list[Any]], floe: Floe) -> None:
    unknown = await asyncio.to_thread(floe, "lineage", "replay", "--backend", "fiel", "--since", "7d")
    assert unknown.code == ExitCode.WRONG_USAGE
    assert "FLOE-LIN-004" in unknown.err
    assert "did you mean 'file'?" in unknown.err
    wrong = await asyncio.to_thread(floe, "lineage", "replay", "--backend", "file", "--since", "yesterday")
    assert wrong.code == ExitCode.WRONG_USAGE
    assert "'yesterday' is neither a time" in wrong.err


@pytest.mark.bus
async def test_without_a_lineage_service_nobody_answers(bus: Bus, configured: ChassisSettings, floe: Floe) -> None:
    said = await asyncio.to_thread(floe, "lineage", "backends")
    assert said.code == ExitCode.UNREACHABLE
    assert "floe serve lineage" in said.err


def test_a_backend_that_is_away_says_since_when_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    entry = BackendEntry(
        name="marquez",
        waiting=120_000,
        in_flight=256,
        oldest_waiting_at="2026-01-01T00:00:00+00:00",
        breaker="open",
        last_error="HTTP 503: " + "x" * 500,
        last_error_at="2026-01-03T11:59:30+00:00",
        accepted=7,
        refused=1,
    )
    table_console().print(backends_table([entry], datetime(2026, 1, 3, 12, tzinfo=UTC)))
    line = capsys.readouterr().out.splitlines()[1]
    assert line.split()[:7] == ["marquez", "120,000", "256", "2d", "open", "7", "1"]
    assert "30s ago: HTTP 503: xxx" in line
    assert "..." in line


def test_one_event_is_no_plural() -> None:
    started = ReplayStarted(backend="file", events=1, first_sequence=1200, first_stored_at="2026-01-01T00:00:00+00:00")
    assert replay_in_words(started, dry_run=False) == (
        "file gets 1 event, from number 1,200 of 2026-01-01T00:00:00+00:00 on"
    )
