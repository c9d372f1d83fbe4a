"""Pushes and submissions: what the compiler is asked."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from floe_contracts.events.scopes import Event, ProductEvent, SourceReference
from floe_contracts.subjects import EventKind


class GitPushed(Event):
    """A ref of a repository moved. A hint: what is compiled is the ref as it is by then."""

    kind = EventKind.GIT_PUSHED

    repository: str = Field(description="Name of the repository: host and path of its address.")
    url: str = Field(description="Where it is fetched from; without user name and password.")
    ref: str = Field(description="The ref that moved, as in refs/heads/main.")
    before: str | None = Field(default=None, description="Full hash of the commit before; zeros if there was none.")
    after: str | None = Field(default=None, description="Full hash of the commit after; zeros if the ref was deleted.")
    delivery: str = Field(description="Id that the sender gave this notice; the same notice is heard once.")
    pusher: str | None = Field(default=None, description="Who pushed, as the sender says.")


def push_event_id(pushed: GitPushed) -> str:
    """The id of the event: the same for the same notice, however often it is sent."""
    return f"{pushed.repository}:{pushed.ref}:{pushed.after or 'head'}:{pushed.delivery}"


LATEST: Final = "latest"
"""In place of a digest: the artifact of the product that was compiled last."""


class SpecSubmitted(ProductEvent):
    """Somebody wants the source bundle compiled."""

    kind = EventKind.SPEC_SUBMITTED

    submission: str = Field(description="Chosen by who submits; the same submission is compiled once.")
    bundle: str = Field(description="Digest of the source bundle.")
    platform: str | None = Field(default=None, description="Digest of the platform.yaml that came with it.")
    platform_parents: dict[str, str] = Field(
        default={},
        max_length=10,
        description="Digests of the documents above platform.yaml, by their paths from its folder.",
    )
    source: SourceReference | None = Field(default=None, description="Where the submission came from.")
    dry_run: bool = Field(default=False, description="Only tell what would change; nothing is announced as compiled.")
    against: str | None = Field(
        default=None,
        description="Digest of the artifact that the plan compares with; `latest`, or left out: the last one compiled.",
    )


def submission_event_id(submitted: SpecSubmitted) -> str:
    """The id of the event: the same for the same submission of the same sources, by whichever door it comes."""
    planned = f":plan:{submitted.against or LATEST}" if submitted.dry_run else ""
    return f"{submitted.product}:{submitted.submission}:{submitted.bundle}{planned}"
