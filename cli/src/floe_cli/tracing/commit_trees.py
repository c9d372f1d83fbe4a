"""The source bundle of a commit, computed from the objects of a Git repository that is at hand."""

from __future__ import annotations

import asyncio
import io
import os
import re
import subprocess
import tempfile
from pathlib import Path, PurePosixPath
from typing import Final

from floe_chassis.source_bundles import bundle_digest
from floe_contracts.errors import FloeError

_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_EXECUTABLE: Final = "100755"
_FILES: Final = frozenset({"100644", "100664", _EXECUTABLE})
_SECONDS: Final = 60.0


async def digest_of_commit(repository: Path, commit: str, folder: str | None) -> str | None:
    """The digest of the bundle that a commit holds; None where it cannot be computed here.

    As the compiler does, the contents are taken as Git stores them: no checkout, so nothing that a machine's
    configuration does to files.

    Args:
        repository: a folder somewhere in a clone.
        commit: its full hash.
        folder: where the product lies, from the top of the repository.
    """
    if not _COMMIT.fullmatch(commit):
        return None
    with tempfile.TemporaryDirectory(prefix="floe-commit-") as place:
        try:
            await asyncio.to_thread(_write_tree, repository, f"{commit}:{folder or ''}", Path(place))
            return await bundle_digest(Path(place))
        except (FloeError, OSError, ValueError, subprocess.SubprocessError):
            return None


def _write_tree(repository: Path, tree: str, folder: Path) -> None:
    listed = _git(repository, "ls-tree", "-r", "-z", "--full-tree", tree)
    files = [_entry(line) for line in listed.split(b"\0") if line]
    files = [file for file in files if file[0] in _FILES]
    contents = io.BytesIO(_git(repository, "cat-file", "--batch", stdin="".join(f"{file[1]}\n" for file in files)))
    for mode, _, path in files:
        size = int(contents.readline().split()[2])
        _write(folder, path, contents.read(size), executable=mode == _EXECUTABLE)
        contents.readline()


def _entry(line: bytes) -> tuple[str, str, str]:
    """Mode, object and path of a line of `ls-tree`."""
    about, _, path = line.partition(b"\t")
    mode, _, identity = about.decode().split(" ")
    return mode, identity, path.decode(errors="surrogateescape")


def _write(folder: Path, path: str, content: bytes, *, executable: bool) -> None:
    parts = PurePosixPath(path).parts
    if ".." in parts or PurePosixPath(path).is_absolute():
        raise ValueError(f"{path!r} leads out of the commit")
    file = folder.joinpath(*parts)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    file.chmod(0o755 if executable else 0o644)


def _git(repository: Path, *arguments: str, stdin: str = "") -> bytes:
    environment = {**os.environ, "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    return subprocess.run(  # noqa: S603 - no shell, and a commit's hash was checked
        ["git", "-C", str(repository), *arguments],  # noqa: S607 - the user's own git
        input=stdin.encode(),
        capture_output=True,
        check=True,
        env=environment,
        timeout=_SECONDS,
    ).stdout
