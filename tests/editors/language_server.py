"""A client of a language server that speaks LSP over standard input and output, as an editor does."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

SECONDS = 60.0


class LanguageServer:
    """One running server. Answers are matched by id; what it says unasked is kept."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._diagnostics: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._settings: dict[str, Any] = {}
        self._next = 0

    async def request(self, method: str, parameters: dict[str, Any]) -> Any:
        self._next += 1
        answer = self._answers[self._next] = asyncio.get_running_loop().create_future()
        await self._send({"id": self._next, "method": method, "params": parameters})
        return await asyncio.wait_for(answer, SECONDS)

    async def notify(self, method: str, parameters: dict[str, Any]) -> None:
        await self._send({"method": method, "params": parameters})

    async def configure(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        await self.notify("workspace/didChangeConfiguration", {"settings": settings})

    async def open(self, file: Path, text: str) -> dict[str, Any]:
        """Open a document; returns what the server says is wrong with it."""
        document = {"uri": file.as_uri(), "languageId": "yaml", "version": 1, "text": text}
        await self.notify("textDocument/didOpen", {"textDocument": document})
        while True:
            told = await asyncio.wait_for(self._diagnostics.get(), SECONDS)
            if told["uri"] == file.as_uri():
                return told

    async def listen(self) -> None:
        output = self._process.stdout
        assert output is not None
        while header := await output.readline():
            length = int(header.split(b":")[1])
            while await output.readline() != b"\r\n":
                pass
            await self._handle(json.loads(await output.readexactly(length)))

    async def _handle(self, message: dict[str, Any]) -> None:
        if "method" not in message:
            self._answers.pop(message["id"]).set_result(message.get("result"))
        elif message["method"] == "textDocument/publishDiagnostics":
            self._diagnostics.put_nowait(message["params"])
        elif "id" in message:
            wanted = message["params"].get("items", []) if message["method"] == "workspace/configuration" else None
            result = None if wanted is None else [self._settings.get(item.get("section"), {}) for item in wanted]
            await self._send({"id": message["id"], "result": result})

    async def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0"} | message).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        await self._process.stdin.drain()


@asynccontextmanager
async def language_server(command: list[str], root: Path) -> AsyncIterator[LanguageServer]:
    """A server that has been initialised; it is ended afterwards."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=root
    )
    server = LanguageServer(process)
    listening = asyncio.create_task(server.listen())
    try:
        capabilities = {"workspace": {"configuration": True}, "textDocument": {"completion": {}}}
        await server.request("initialize", {"processId": None, "rootUri": root.as_uri(), "capabilities": capabilities})
        await server.notify("initialized", {})
        yield server
    finally:
        listening.cancel()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
