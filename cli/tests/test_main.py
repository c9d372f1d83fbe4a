from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from floe_chassis.errors import ServerNotFound
from floe_cli import main as cli_main
from floe_cli.errors import RunGivenUp, SubmissionGivenUp
from floe_cli.exit_codes import ExitCode
from floe_cli.show_problems import code_of_rejection, show_error
from floe_contracts.errors import BlobCorrupt, DocumentInvalid, FloeError, Unreachable, Where, WrongUsage
from floe_contracts.events import Problem

Floe = Callable[..., Any]


def test_help_lists_every_command_with_its_purpose(floe: Floe) -> None:
    said = floe("--help")
    assert said.code == 0
    for name, (_, purpose) in cli_main._COMMANDS.items():
        assert f"  {name} " in said.out
        assert purpose in said.out
    assert said.err == ""


@pytest.mark.parametrize("name", cli_main._COMMANDS)
def test_every_command_explains_itself(floe: Floe, name: str) -> None:
    said = floe(name, "--help")
    assert said.code == 0
    assert said.out.startswith(f"Usage: floe {name}")


def test_the_version_is_told(floe: Floe) -> None:
    said = floe("--version")
    assert said.code == 0
    assert said.out.startswith("floe, version ")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["vaildate"], "Did you mean 'validate'?"),
        (["frobnicate"], "No such command 'frobnicate'"),
        (["run", "--enviroment", "dev"], "--environment"),
        (["trace"], "Missing argument 'ID'"),
        (["serve", "nobody"], "the service 'nobody' is not installed"),
        (["up", "--http-port", "many"], "'many' is not a valid integer"),
    ],
)
def test_what_was_typed_wrongly_is_told(floe: Floe, arguments: list[str], told: str) -> None:
    said = floe(*arguments)
    assert said.code == ExitCode.WRONG_USAGE == 64
    assert told in said.err
    assert said.out == ""


def test_a_defect_of_floe_is_a_message_with_a_report(floe: Floe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli_main._COMMANDS, "broken", ("floe_cli.commands.nowhere:broken", ""))
    said = floe("broken")
    assert said.code == ExitCode.UNEXPECTED
    assert "ModuleNotFoundError" in said.err
    report = Path(said.err.rpartition(" ")[2].strip())
    assert "Traceback" in report.read_text()
    report.unlink()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DocumentInvalid([WrongUsage("inside")]), ExitCode.INVALID_DOCUMENT),
        (BlobCorrupt("no"), ExitCode.INVALID_DOCUMENT),
        (SubmissionGivenUp("no"), ExitCode.COMPILATION_FAILED),
        (RunGivenUp("no"), ExitCode.RUN_FAILED),
        (Unreachable("no"), ExitCode.UNREACHABLE),
        (ServerNotFound("no"), ExitCode.UNREACHABLE),
        (WrongUsage("no"), ExitCode.WRONG_USAGE),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_error_has_its_exit_code(error: FloeError, code: ExitCode, capsys: pytest.CaptureFixture[str]) -> None:
    assert show_error(error) is code
    assert "FLOE-" in capsys.readouterr().err


def test_a_wrong_setting_is_wrong_usage(floe: Floe, monkeypatch: pytest.MonkeyPatch, product: Any) -> None:
    monkeypatch.setenv("FLOE_NATS_URL", "nats://127.0.0.1:4222")
    monkeypatch.setenv("FLOE_ACK_WAIT", "soon")
    said = floe("status", product())
    assert said.code == ExitCode.WRONG_USAGE
    assert "FLOE_ACK_WAIT" in said.err


def test_a_problem_shows_code_place_message_and_hint(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(Unreachable("first\nsecond", where=Where("floe.yaml", 3, 7, "metadata.name"), hint="do this"))
    assert capsys.readouterr().err.splitlines() == [
        "error FLOE-BUS-002 floe.yaml:3:7 (metadata.name)",
        "  first",
        "  second",
        "  hint: do this",
    ]


@pytest.mark.parametrize("command", ["run", "publish", "compile", "status"])
def test_a_bus_that_is_not_there_is_told_with_a_hint(
    floe: Floe, monkeypatch: pytest.MonkeyPatch, product: Any, tmp_path: Path, command: str
) -> None:
    monkeypatch.setenv("FLOE_NATS_URL", "nats://127.0.0.1:1")
    monkeypatch.setenv("FLOE_BLOBS_URL", (tmp_path / "blobs").as_uri())
    said = floe(command, product())
    assert said.code == ExitCode.UNREACHABLE == 4
    assert "no bus answers at nats://127.0.0.1:1" in said.err
    assert "hint: start one with floe up, or set FLOE_NATS_URL" in said.err


@pytest.mark.parametrize("arguments", [["publish"], ["lineage", "tail"]])
def test_without_a_stack_there_is_nothing_to_talk_to(floe: Floe, product: Any, arguments: list[str]) -> None:
    said = floe(*arguments, product())
    assert said.code == ExitCode.UNREACHABLE
    assert "no stack is running for this folder" in said.err


@pytest.mark.parametrize("arguments", [["status"], ["trace", "run"], ["lineage", "export", "--run", "run"]])
def test_before_the_first_run_there_is_nothing_to_read(floe: Floe, product: Any, arguments: list[str]) -> None:
    said = floe(*arguments, product())
    assert said.code == ExitCode.UNREACHABLE
    assert "nothing has run in" in said.err


@pytest.mark.parametrize(
    ("codes", "exit_code"),
    [
        (["FLOE-DBT-011"], ExitCode.COMPILATION_FAILED),
        (["FLOE-DBT-044"], ExitCode.UNREACHABLE),
        (["FLOE-DBT-044", "FLOE-DBT-011"], ExitCode.COMPILATION_FAILED),
        ([], ExitCode.COMPILATION_FAILED),
    ],
)
def test_a_rejection_for_want_of_a_server_is_told_apart(codes: list[str], exit_code: ExitCode) -> None:
    assert code_of_rejection([Problem(code=code, message="no") for code in codes]) == exit_code
