"""A Git repository on disk, as a forge would have it, and what a hostile one could hold."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

Files = Mapping[str, str | bytes | None]
ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "ann",
    "GIT_AUTHOR_EMAIL": "ann@example.com",
    "GIT_COMMITTER_NAME": "ann",
    "GIT_COMMITTER_EMAIL": "ann@example.com",
}


@dataclass(frozen=True, slots=True)
class Origin:
    """A repository that is pushed to."""

    folder: Path

    @classmethod
    def create(cls, folder: Path, *, partial: bool = True) -> Origin:
        """An empty repository whose server does or does not know partial clones."""
        folder.mkdir(parents=True)
        origin = cls(folder)
        origin.git("init", "-q", "-b", "main")
        if partial:
            origin.git("config", "uploadpack.allowFilter", "true")
            origin.git("config", "uploadpack.allowAnySHA1InWant", "true")
        return origin

    @property
    def url(self) -> str:
        return self.folder.as_uri()

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env=os.environ | ENVIRONMENT, input=stdin, capture_output=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().strip()

    def commit(self, files: Files, *, amend: bool = False) -> str:
        """Write files, or delete those that are None, and commit everything."""
        for path, content in files.items():
            file = self.folder / path
            if content is None:
                file.unlink()
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "a change", *(["--amend"] if amend else []))
        return self.head()

    def head(self, ref: str = "HEAD") -> str:
        return self.git("rev-parse", ref)

    def commit_entries(self, entries: Mapping[str, tuple[str, str | bytes]]) -> str:
        """Commit a tree that no checkout could make: path -> (mode, content or object id)."""
        root = self._tree(dict(entries.items()))
        commit = self.git("commit-tree", root, "-m", "hostile")
        self.git("update-ref", "refs/heads/main", commit)
        return commit

    def _tree(self, entries: Mapping[str, tuple[str, str | bytes]]) -> str:
        folders: dict[str, dict[str, tuple[str, str | bytes]]] = {}
        lines: list[tuple[bytes, bytes]] = []
        for path, (mode, content) in entries.items():
            name, slash, rest = path.partition("/")
            if slash:
                folders.setdefault(name, {})[rest] = (mode, content)
            else:
                oid = content if mode == "160000" else self._blob(content)
                lines.append((name.encode(), f"{mode} ".encode() + name.encode() + b"\0" + bytes.fromhex(str(oid))))
        for name, below in folders.items():
            tree = self._tree(below)
            lines.append((name.encode() + b"/", b"40000 " + name.encode() + b"\0" + bytes.fromhex(tree)))
        content_ = b"".join(line for _, line in sorted(lines))
        return self.git("hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=content_)

    def _blob(self, content: str | bytes) -> str:
        raw = content if isinstance(content, bytes) else content.encode()
        return self.git("hash-object", "-w", "--stdin", stdin=raw)
