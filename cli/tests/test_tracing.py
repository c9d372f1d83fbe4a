"""From any id of a chain to its run, and a commit's tree read again from a clone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from floe_chassis.source_bundles import bundle_digest
from floe_cli.tracing.commit_trees import digest_of_commit
from floe_cli.tracing.history import History
from floe_cli.tracing.naming import find_run
from floe_contracts.digests import digest_of
from floe_contracts.errors import WrongUsage
from floe_contracts.events import (
    ArtifactCompiled,
    LandedTable,
    RunCompleted,
    RunSeconds,
    SemanticRendered,
    SourceReference,
)

COMMIT = "c0ffee" + "0" * 34
ARTIFACT, OTHER, BUNDLE, CUBES = (digest_of(name.encode()) for name in ("artifact", "other", "bundle", "cubes"))


def run(run_id: str, artifact: str, snapshot: int, product: str = "shop") -> RunCompleted:
    table = LandedTable(
        identifier="t", unique_id="model.shop.t", table_uuid="u", snapshot_id=snapshot, rows=1, files=1, bytes=1
    )
    return RunCompleted(
        tenant="default",
        environment="dev",
        product=product,
        run_id=run_id,
        artifact_digest=artifact,
        attempt=1,
        nodes=(),
        tables=(table,),
        lineage_events=2,
        seconds=RunSeconds(run=1.0, land=0.5),
    )


def compiled(artifact: str, commit: str | None, product: str = "shop") -> ArtifactCompiled:
    return ArtifactCompiled(
        tenant="default",
        product=product,
        submission="s",
        artifact_digest=artifact,
        artifact={"sources": {"bundle": BUNDLE if artifact == ARTIFACT else OTHER}},
        source=SourceReference(repository="r", commit=commit),
        seconds=0.1,
    )


HISTORY = History(
    outcomes=(run("aaaa1111-0", ARTIFACT, 11), run("aaaa2222-0", ARTIFACT, 22), run("bbbb3333-0", OTHER, 33)),
    compiled=(compiled(ARTIFACT, COMMIT), compiled(OTHER, None)),
    rendered=(
        SemanticRendered(
            tenant="default",
            environment="dev",
            product="shop",
            artifact_digest=ARTIFACT,
            bundle_digest=CUBES,
            cubes=(),
            views=(),
            skipped=(),
        ),
    ),
)


@pytest.mark.parametrize(
    ("identity", "run_id"),
    [
        ("aaaa1111-0", "aaaa1111-0"),
        ("bbbb", "bbbb3333-0"),
        ("AAAA2222-0", "aaaa2222-0"),
        ("11", "aaaa1111-0"),
        ("33", "bbbb3333-0"),
        (ARTIFACT, "aaaa2222-0"),
        (ARTIFACT[7:19], "aaaa2222-0"),
        (OTHER, "bbbb3333-0"),
        (BUNDLE, "aaaa2222-0"),
        (CUBES, "aaaa2222-0"),
        (COMMIT, "aaaa2222-0"),
        (COMMIT[:7], "aaaa2222-0"),
    ],
    ids=[
        "run", "beginning", "capitals", "snapshot", "other-snapshot", "artifact", "short-artifact", "other-artifact",
        "bundle", "cubes", "commit", "short-commit",
    ],
)  # fmt: skip
def test_any_id_of_the_chain_leads_to_the_newest_run_that_has_it(identity: str, run_id: str) -> None:
    assert find_run(HISTORY, identity, "").run_id == run_id


@pytest.mark.parametrize("identity", ["", " ", "aaaa", "c0ffe", "deadbeef", "sha256:", "1", "*", "../etc", "²"])
def test_what_is_no_id_of_a_run_or_of_several_is_told(identity: str) -> None:
    with pytest.raises(WrongUsage):
        find_run(HISTORY, identity, "floe status lists the runs")


def test_a_commit_of_several_products_asks_which_run_is_meant() -> None:
    both = History(
        outcomes=(run("aaaa", ARTIFACT, 1), run("bbbb", OTHER, 2, "store")),
        compiled=(compiled(ARTIFACT, COMMIT), compiled(OTHER, COMMIT, "store")),
        rendered=(),
    )
    with pytest.raises(WrongUsage) as refused:
        find_run(both, COMMIT, "")
    assert refused.value.hint == "trace one of the runs: aaaa of shop, bbbb of store"


def git(folder: Path, *arguments: str) -> str:
    identity = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"]
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True, env=os.environ | identity
    )
    return done.stdout.strip()


async def test_the_bundle_of_a_commit_is_that_of_its_files_as_git_stores_them(tmp_path: Path) -> None:
    clone, product = tmp_path / "clone", tmp_path / "clone" / "teams" / "größe"
    (product / "dbt").mkdir(parents=True)
    git(clone, "init", "-q")
    (product / "floe.yaml").write_text("a\n")
    (product / "dbt" / "run.sh").write_text("b\n")
    (product / "dbt" / "run.sh").chmod(0o755)
    (product / "empty.sql").write_text("")
    digest = await bundle_digest(product)
    # A checkout with other line ends, and files that Git leaves out of archives, change nothing.
    (clone / ".gitattributes").write_text("*.yaml text eol=crlf\n*.sql export-ignore\n")
    git(clone, "add", ".")
    git(clone, "commit", "-q", "-m", "first")
    first = git(clone, "rev-parse", "HEAD")
    (product / "floe.yaml").write_text("changed\n")
    git(clone, "commit", "-q", "-a", "-m", "second")
    assert await digest_of_commit(product, first, "teams/größe") == digest
    second = git(clone, "rev-parse", "HEAD")
    assert await digest_of_commit(clone, second, "teams/größe") not in (None, digest)
    assert await digest_of_commit(clone, first, None) not in (None, digest)


@pytest.mark.parametrize("commit", ["0" * 40, "HEAD", "--output=x", "main"])
async def test_what_is_not_at_hand_is_not_computed(tmp_path: Path, commit: str) -> None:
    git(tmp_path, "init", "-q")
    assert await digest_of_commit(tmp_path, commit, None) is None
    assert await digest_of_commit(tmp_path / "nowhere", commit, None) is None
