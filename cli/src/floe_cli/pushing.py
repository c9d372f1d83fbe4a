"""Telling floe that a ref of a repository moved, for repositories whose forge does not tell it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from floe_cli.stack.connection import Connection
from floe_contracts.errors import WrongUsage
from floe_contracts.events import GitPushed, push_event_id
from floe_contracts.repositories import Repository, full_ref, read_repository

_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Push:
    """A ref that moved: its repository, its full name, and the commit that it points to if somebody said so."""

    repository: Repository
    ref: str
    commit: str | None


def read_push(repository: str, ref: str, commit: str | None) -> Push:
    """What was typed, checked.

    Args:
        repository: an address, or a folder of this machine.
        ref: full name, or the short name of a branch.
        commit: full hash of the commit that the ref points to.

    Raises:
        RepositoryInvalid: the address cannot be used.
        RefInvalid: the ref cannot be used.
        WrongUsage: the commit is no full hash.
    """
    if commit is not None and not _COMMIT.fullmatch(commit):
        raise WrongUsage(f"{commit!a} is no full hash of a commit", hint="git rev-parse HEAD tells it")
    folder = Path(repository)
    return Push(read_repository(folder.resolve().as_uri() if folder.is_dir() else repository), full_ref(ref), commit)


async def publish_push(connection: Connection, push: Push, delivery: str) -> GitPushed:
    """Publish that the ref moved; returns when the event is stored."""
    pushed = GitPushed(
        tenant=connection.settings.tenant,
        repository=push.repository.name,
        url=push.repository.url,
        ref=push.ref,
        after=push.commit,
        delivery=delivery,
    )
    await connection.bus.publish(pushed, id=push_event_id(pushed))
    return pushed
