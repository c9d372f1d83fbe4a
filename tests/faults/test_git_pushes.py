"""The compiler is killed in the middle of a push: every product of the commit is compiled after all, and once."""

from __future__ import annotations

import subprocess
from pathlib import Path

from floe_chassis.testing import eventually
from floe_contracts.subjects import EventKind

from .conftest import Recovery
from .facts import RUN_SECONDS, Facts, until
from .processes import Stack, assert_gone
from .products import write_product

PRODUCTS = ("pushed-first", "pushed-second", "pushed-third")


def commit(folder: Path) -> str:
    """Commit all that is in the folder; the commit."""
    git = ["git", "-c", "user.name=ann", "-c", "user.email=ann@example.com"]
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *command], cwd=folder, check=True)
    done = subprocess.run([*git, "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


async def test_compiler_killed_between_two_products_of_a_push(
    stack: Stack, facts: Facts, tmp_path: Path, recovery: Recovery
) -> None:
    repository = tmp_path / "shop"
    for product in PRODUCTS:
        write_product(repository / product, product)
    head = commit(repository)
    stack.floe("publish", "--repository", str(repository), "--ref", "main", "--submission", "killed")
    await until(lambda: facts.events(EventKind.ARTIFACT_COMPILED, PRODUCTS[0]))
    await eventually(lambda: stack.dbt_child("compiler"), timeout=RUN_SECONDS)
    left = stack.kill("compiler")
    recovery()
    stack.start("compiler")
    assert_gone(left)
    await until(lambda: facts.events(EventKind.ARTIFACT_COMPILED, PRODUCTS[-1]))
    await facts.quiet()
    for product in PRODUCTS:
        compiled = await facts.events(EventKind.ARTIFACT_COMPILED, product)
        assert [event.data["submission"] for event in compiled] == [head]
    stack.floe("publish", "--repository", str(repository), "--ref", "main", "--submission", "told-again")
    await facts.quiet()
    assert len(await facts.events(EventKind.ARTIFACT_COMPILED, PRODUCTS[0])) == 1
