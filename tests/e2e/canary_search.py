"""Looking for tokens in everything that a stack has kept, told and sent."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import duckdb

from floe_chassis.bus import Bus
from floe_chassis.stream_reader import read_stream

_SHORTEST: Final = 12


class Search:
    """Looks for tokens, also in base64, and counts what it has looked at.

    Attributes:
        found: `medium name: place of the token`, for each that was found.
        looked: how many files, messages or texts of each medium were looked at.
        seen: how often the witness, which is no secret, was seen in each medium: a search that never sees it is blind.
    """

    def __init__(self, tokens: Mapping[str, str], witness: str, sources: Iterable[Path]) -> None:
        """Prepare it.

        Args:
            tokens: place where a token was put -> the token.
            witness: a word that stands in a product and may be anywhere.
            sources: files that were submitted. A copy of one of them, byte by byte, is that file and no leak.
        """
        self.found: list[str] = []
        self.looked: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        self._witness = witness.encode()
        self._sources = {_sha256(file.read_bytes()) for file in sources}
        self._places = {form: place for place, token in tokens.items() for form in _forms(token)}
        self._pattern = re.compile(b"|".join(re.escape(form) for form in self._places))

    def look(self, medium: str, name: str, content: bytes) -> None:
        """Look at one text, file or message."""
        self.looked[medium] += 1
        self.seen[medium] += self._witness in content
        for form in {match.group() for match in self._pattern.finditer(content)}:
            if _sha256(content) not in self._sources:
                self.found.append(f"{medium} {name}: {self._places[form]}")

    def look_at_files(self, medium: str, folder: Path) -> None:
        """Look at every file below a folder; compressed columns of tables are read, too."""
        for file in sorted(folder.rglob("*")):
            if not file.is_file() or file.is_symlink():
                continue
            name = str(file.relative_to(folder))
            self.look(medium, name, file.read_bytes())
            if file.suffix in (".parquet", ".duckdb"):
                self.look("tables", name, _rows(file))

    async def look_at_messages(self, bus: Bus) -> None:
        """Look at every message of every stream, with subject and headers; key-value buckets are streams, too."""
        for stream in await bus.js.streams_info():
            name = str(stream.config.name)
            async for message in read_stream(bus.js, name, ">"):
                headers = "\n".join(f"{key}: {value}" for key, value in (message.headers or {}).items())
                text = f"{message.subject}\n{headers}\n\n".encode() + message.data
                self.look("messages", f"{name} {message.subject}", text)


def _forms(token: str) -> set[bytes]:
    """The token, and what is in its base64 whatever stands before and after it."""
    plain = token.encode()
    assert len(plain) >= _SHORTEST, "too short to be found without finding everything"
    shifted = {base64.b64encode(b"\0" * shift + plain)[shift + bool(shift) : -4] for shift in range(3)}
    return {plain, *shifted, *(form.replace(b"+", b"-").replace(b"/", b"_") for form in shifted)}


def _rows(file: Path) -> bytes:
    """Every value of a table file or of a database."""
    if file.suffix == ".parquet":
        return repr(duckdb.sql(f"select * from read_parquet('{file}')").fetchall()).encode()
    with duckdb.connect(str(file), read_only=True) as connection:
        tables = connection.execute("select database_name, schema_name, table_name from duckdb_tables()").fetchall()
        names = [".".join(f'"{part}"' for part in table) for table in tables]
        return repr([connection.execute(f"from {name}").fetchall() for name in names]).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
