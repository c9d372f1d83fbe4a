"""`floe mcp`: finds the server that is installed, and hands its options on as settings."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint

import pytest
from click.testing import CliRunner

from floe_cli.main import floe
from floe_cli.stack import mcp_servers
from floe_contracts.errors import WrongUsage

served: list[Mapping[str, str]] = []


def install(monkeypatch: pytest.MonkeyPatch, *values: str) -> None:
    """Have these entry points installed."""
    found = [EntryPoint("semantic", value, mcp_servers.GROUP) for value in values]
    monkeypatch.setattr(mcp_servers, "entry_points", lambda group: found if group == mcp_servers.GROUP else [])


def test_options_go_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "installed:serve")
    monkeypatch.setattr(EntryPoint, "load", lambda _: served.append)
    environment = {"FLOE_MCP_CUBE_URL": "http://old:4000", "FLOE_MCP_ROW_LIMIT": "7"}
    given = ["mcp", "--http", "127.0.0.1:8765", "--cube-url", "http://new:4000", "--lineage-url", "http://gateway:8080"]
    result = CliRunner().invoke(floe, given, env=environment, catch_exceptions=False)
    assert result.exit_code == 0
    settings = served.pop()
    assert {name: settings[name] for name in settings if name.startswith("FLOE_MCP_")} == {
        "FLOE_MCP_HTTP": "127.0.0.1:8765",
        "FLOE_MCP_CUBE_URL": "http://new:4000",
        "FLOE_MCP_LINEAGE_URL": "http://gateway:8080",
        "FLOE_MCP_ROW_LIMIT": "7",
    }


@pytest.mark.parametrize(
    ("values", "told"),
    [
        pytest.param((), "no MCP server is installed", id="no-service"),
        pytest.param(("not_installed_here.mcp:serve",), "needs not_installed_here", id="no-extra"),
    ],
)
def test_what_is_missing_is_told(values: tuple[str, ...], told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, *values)
    with pytest.raises(WrongUsage, match=told) as raised:
        mcp_servers.load_mcp_server()
    assert raised.value.hint == "install floe-semantic[mcp]"
