"""Repositories of a forge that speaks https: trusted by its certificate, entered with a password."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from floe_compiler.adapters.git_program import GitProgram
from floe_compiler.adapters.git_repositories import GitRepositories
from floe_compiler.core.git.errors import GitFailed
from floe_compiler.settings import GitSettings
from floe_contracts.repositories import read_repository

from .git_forge import Forge, forge
from .git_origin import Origin

MAIN = "refs/heads/main"


def _speaks_https() -> bool:
    folder = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip()
    return (Path(folder) / "git-remote-https").exists() and (Path(folder) / "git-http-backend").exists()


pytestmark = [
    pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with openssl"),
    pytest.mark.skipif(not _speaks_https(), reason="this git speaks no https"),
]


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin.create(tmp_path / "forge" / "shop.git")


@pytest.fixture
def https(origin: Origin, tmp_path: Path) -> Iterator[Forge]:
    with forge(origin.folder.parent, tmp_path / "door") as door:
        yield door


def repositories(tmp_path: Path, https: Forge, *, trusting: bool = True, entering: bool = True) -> GitRepositories:
    settings = GitSettings(timeout=20, credentials_file=https.credentials if entering else None)
    environment = {"PATH": os.environ["PATH"], **({"GIT_SSL_CAINFO": str(https.certificate)} if trusting else {})}
    return GitRepositories(GitProgram(settings, environment, tmp_path), tmp_path / "caches", settings)


async def test_a_private_repository_is_fetched_without_contents_and_without_history(
    https: Forge, origin: Origin, tmp_path: Path
) -> None:
    origin.commit({"orders/floe.yaml": "first"})
    head = origin.commit({"orders/floe.yaml": "second"})
    reading = repositories(tmp_path, https)
    repository = read_repository(f"{https.url}/shop.git/.git")
    assert await reading.head(repository, MAIN) == head
    assert await reading.head(repository, "refs/heads/none") is None
    commit = await reading.fetch(repository, MAIN)
    assert commit.oid == head
    (file,) = [entry for entry in commit.entries if entry.is_file]
    assert await reading.bring(repository, [file.oid]) == {file.oid: 6}
    assert await reading.export(repository, [file], tmp_path / "out") == ()
    assert (tmp_path / "out" / "orders" / "floe.yaml").read_bytes() == b"second"
    (cache,) = (tmp_path / "caches").iterdir()
    assert (cache / "shallow").read_text().strip() == head
    left = [path for path in cache.rglob("*") if path.is_file() and b"canary" in path.read_bytes()]
    assert left == []


@pytest.mark.parametrize(
    ("trusting", "entering", "path", "said"),
    [
        (False, True, "shop.git/.git", "certificate"),
        (True, False, "shop.git/.git", "Authentication failed"),
        (True, True, "none.git", "not found"),
        (True, True, "moved/shop.git/.git", "redirect|302"),
    ],
)
async def test_a_forge_that_does_not_let_us_in_is_told_of(
    https: Forge, origin: Origin, tmp_path: Path, trusting: bool, entering: bool, path: str, said: str
) -> None:
    origin.commit({"floe.yaml": "x"})
    reading = repositories(tmp_path, https, trusting=trusting, entering=entering)
    with pytest.raises(GitFailed, match=said) as caught:
        await reading.head(read_repository(f"{https.url}/{path}"), MAIN)
    assert "canary" not in str(caught.value)
    if path.startswith("moved"):
        assert all(asked.startswith("/moved/") for asked in https.asked)
