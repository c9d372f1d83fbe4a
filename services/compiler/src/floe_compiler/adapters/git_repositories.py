"""Repositories as they are elsewhere, through one bare cache each: no checkout, and no contents but those asked for.

Fetches are shallow and blobless. Reading never reaches the network: the cache is told of its server only while it
fetches. The cache is expendable; where it is in the way, it is made anew.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Final

from floe_compiler.adapters.git_program import MISSING_REF, GitProgram, Quota, folder_size
from floe_compiler.core.git.errors import GitFailed, RepositoryTooLarge
from floe_compiler.core.git.ports import Commit
from floe_compiler.core.git.tree import TreeEntry, shown
from floe_compiler.settings import GitSettings
from floe_contracts.errors import Where
from floe_contracts.repositories import Repository

_REMOTE: Final = "origin"
_HELD: Final = "refs/floe/head"
_BLOBLESS: Final = ("-c", f"remote.{_REMOTE}.promisor=true", "-c", f"remote.{_REMOTE}.partialclonefilter=blob:none")
_FETCH: Final = (
    "fetch",
    "--quiet",
    "--filter=blob:none",
    "--no-tags",
    "--no-recurse-submodules",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
)
_WITHOUT_HISTORY: Final = ("-c", "fetch.negotiationAlgorithm=noop")
_POINTER: Final = b"version https://git-lfs.github.com/spec/"
_POINTER_MOST: Final = 1024
_CHUNK: Final = 64 * 1024
_PATH_ROOM: Final = 1024
"""Bytes that an entry may take on average in the list of a tree."""
_HEADER_PARTS: Final = 3
_EXECUTABLE: Final = "100755"


class GitRepositories:
    """Fulfils `Repositories`. One call at a time; two compilers do not share a folder."""

    def __init__(self, git: GitProgram, folder: Path, settings: GitSettings) -> None:
        self._git = git
        self._folder = folder
        self._settings = settings

    async def head(self, repository: Repository, ref: str) -> str | None:
        cache = await self._cache(repository)
        found = await self._git.run(
            "ls-remote", "--exit-code", "--", repository.url, ref, folder=cache, accepted=(0, MISSING_REF)
        )
        for line in found.stdout.decode(errors="replace").splitlines():
            oid, _, name = line.partition("\t")
            if name == ref:
                return oid
        return None

    async def fetch(self, repository: Repository, ref: str) -> Commit:
        cache = await self._cache(repository)
        await self._fetch(cache, "--depth=1", "--", _REMOTE, f"+{ref}:{_HELD}")
        commit, root = await self._resolve(cache)
        return Commit(commit, root, await self._entries(cache, root))

    async def bring(self, repository: Repository, oids: Collection[str]) -> Mapping[str, int]:
        cache = await self._cache(repository)
        sizes = await self._sizes(cache, oids)
        if missing := sorted(set(oids) - set(sizes)):
            wanted = "".join(f"{oid}\n" for oid in missing).encode()
            await self._fetch(cache, "--stdin", "--", _REMOTE, settings=_WITHOUT_HISTORY, stdin=wanted)
            sizes |= await self._sizes(cache, missing)
        if absent := set(oids) - set(sizes):
            raise GitFailed(f"the server did not send {len(absent)} of {len(oids)} files", hint="it may come later")
        return sizes

    async def read(self, repository: Repository, oids: Collection[str]) -> Mapping[str, bytes]:
        cache = await self._cache(repository)
        async with aclosing(self._contents(cache, sorted(set(oids)))) as contents:
            return {oid: content async for oid, content in contents}

    async def export(self, repository: Repository, files: Sequence[TreeEntry], folder: Path) -> tuple[str, ...]:
        cache = await self._cache(repository)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        await asyncio.to_thread(folder.mkdir, parents=True)
        named: dict[str, list[TreeEntry]] = {}
        for file in files:
            named.setdefault(file.oid, []).append(file)
        pointers: list[str] = []
        async with aclosing(self._contents(cache, sorted(named))) as contents:
            async for oid, content in contents:
                if len(content) <= _POINTER_MOST and content.startswith(_POINTER):
                    pointers += [file.path for file in named[oid]]
                for file in named[oid]:
                    await asyncio.to_thread(_write, folder / file.path, content, executable=file.mode == _EXECUTABLE)
        return tuple(sorted(pointers))

    async def _cache(self, repository: Repository) -> Path:
        """The bare repository that stands in for the one elsewhere, ready to be used."""
        name = hashlib.sha256(repository.name.encode()).hexdigest()[:32]
        cache = self._folder / f"{name}.git"
        if await asyncio.to_thread(folder_size, cache) > self._settings.max_bytes:
            await self._drop(cache)
        if not (cache / "HEAD").is_file():
            await self._drop(cache)
            await asyncio.to_thread(cache.mkdir, parents=True)
            await self._git.run("init", "--quiet", "--bare", "--template=", folder=cache)
        await asyncio.to_thread(_make_ready, cache, repository.url)
        return cache

    async def _fetch(self, cache: Path, *arguments: str, settings: Sequence[str] = (), stdin: bytes = b"") -> None:
        quota = Quota(cache, self._settings.max_bytes)
        try:
            await self._git.run(*_BLOBLESS, *settings, *_FETCH, *arguments, folder=cache, stdin=stdin, quota=quota)
        except (RepositoryTooLarge, GitFailed):
            # The server has just answered; what is wrong may be the cache.
            await self._drop(cache)
            raise

    async def _resolve(self, cache: Path) -> tuple[str, str]:
        found = await self._git.run("rev-parse", f"{_HELD}^{{commit}}", f"{_HELD}^{{tree}}", folder=cache)
        commit, root = found.stdout.decode().split()
        return commit, root

    async def _entries(self, cache: Path, root: str) -> tuple[TreeEntry, ...]:
        most = self._settings.max_files
        listed = b""
        async with self._git.running("ls-tree", "-r", "-t", "-z", "--full-tree", root, folder=cache) as call:
            count = 0
            while chunk := await call.stdout.read(_CHUNK):
                listed += chunk
                count += chunk.count(b"\0")
                if count > most or len(listed) > most * _PATH_ROOM:
                    raise RepositoryTooLarge(
                        f"the commit has more than {most} files and folders",
                        where=Where(shown(_entry(listed.split(b"\0")[min(count, most) - 1]).path)),
                        hint="FLOE_COMPILER_GIT_MAX_FILES sets the limit",
                    )
            if await call.process.wait() != 0:
                await self._drop(cache)
                raise await call.failed()
        return tuple(_entry(line) for line in listed.split(b"\0") if line)

    async def _sizes(self, cache: Path, oids: Collection[str]) -> dict[str, int]:
        """The sizes of the contents that are in the cache."""
        wanted = "".join(f"{oid}\n" for oid in sorted(set(oids))).encode()
        found = await self._git.run("cat-file", "--batch-check", folder=cache, stdin=wanted)
        lines = (line.split() for line in found.stdout.decode().splitlines())
        return {line[0]: int(line[2]) for line in lines if len(line) == _HEADER_PARTS}

    async def _contents(self, cache: Path, oids: Sequence[str]) -> AsyncGenerator[tuple[str, bytes], None]:
        wanted = "".join(f"{oid}\n" for oid in oids).encode()
        async with self._git.running("cat-file", "--batch", folder=cache, stdin=wanted) as call:
            for oid in oids:
                header = (await call.stdout.readline()).split()
                try:
                    content = await call.stdout.readexactly(int(header[2]) + 1)
                except (IndexError, asyncio.IncompleteReadError) as error:
                    await self._drop(cache)
                    raise GitFailed(f"the cache has lost {oid}", hint="it is fetched again") from error
                yield oid, content[:-1]

    async def _drop(self, cache: Path) -> None:
        await asyncio.to_thread(shutil.rmtree, cache, ignore_errors=True)


def _make_ready(cache: Path, url: str) -> None:
    """Write the configuration, the same each time, and take away what a killed call left."""
    quoted = url.replace("\\", "\\\\").replace('"', '\\"')
    config = f'[core]\n\trepositoryformatversion = 0\n\tbare = true\n[remote "{_REMOTE}"]\n\turl = "{quoted}"\n'
    (cache / "config").write_text(config, encoding="ascii")
    for left in [*cache.glob("*.lock"), *cache.glob("refs/**/*.lock"), *cache.glob("objects/pack/tmp_*")]:
        left.unlink(missing_ok=True)


def _entry(line: bytes) -> TreeEntry:
    about, _, path = line.partition(b"\t")
    mode, _, oid = about.decode().split(" ")
    return TreeEntry(path.decode(errors="surrogateescape"), mode, oid)


def _write(file: Path, content: bytes, *, executable: bool) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    if executable:
        file.chmod(0o755)
