"""What the compiler does with pushes to repositories."""

from __future__ import annotations

from fnmatch import fnmatchcase

from floe_chassis.bus import Bus
from floe_compiler.core.git.errors import RepositoryMismatch, RepositoryNotAllowed
from floe_compiler.git.moved_ref import MovedRef
from floe_compiler.git.repository_compilation import RepositoryCompiler
from floe_compiler.settings import GitSettings
from floe_contracts.cloudevents import Received
from floe_contracts.events import GitPushed, ProductEvent
from floe_contracts.repositories import RefInvalid, Repository, full_ref, read_repository

_LOCAL = "file"


class GitHandlers:
    """The subscriber of pushes."""

    def __init__(self, compiler: RepositoryCompiler, bus: Bus, settings: GitSettings) -> None:
        self._compiler = compiler
        self._bus = bus
        self._settings = settings

    async def git_pushed(self, received: Received[GitPushed]) -> None:
        """Compile what the push changed, and tell the outcome of each product.

        Raises:
            Permanent: there is no product to answer for: the address, the ref or the repository is refused.
            Transient: the repository does not answer.
        """
        pushed = received.event

        async def announce(event: ProductEvent, identity: str) -> None:
            await self._bus.publish(event, id=identity, cause=received.attributes)

        repository = allowed_repository(pushed, self._settings)
        moved = MovedRef(pushed.tenant, repository, checked_ref(pushed.ref), announce, received.attributes.day)
        await self._compiler.compile(moved)


def checked_ref(ref: str) -> str:
    """The ref, which an event names in full.

    Raises:
        RefInvalid: no branch or tag, or a short name.
    """
    if full_ref(ref) != ref:
        raise RefInvalid(f"{ref[:200]!a} is not the full name of a ref", hint=f"as in {full_ref('main')}")
    return ref


def allowed_repository(pushed: GitPushed, settings: GitSettings) -> Repository:
    """The repository that was pushed to, if it may be fetched from.

    Raises:
        RepositoryInvalid: the address cannot be used.
        RepositoryMismatch: the event names another repository than its address.
        RepositoryNotAllowed: it is not among those of the settings.
    """
    repository = read_repository(pushed.url)
    if repository.name != pushed.repository:
        raise RepositoryMismatch(f"the push tells of {pushed.repository!r}, and its address is of {repository.name!r}")
    if repository.scheme == _LOCAL and not settings.local:
        raise RepositoryNotAllowed(
            "repositories of this machine are not fetched from", hint="FLOE_COMPILER_GIT_LOCAL=true allows it"
        )
    if not any(fnmatchcase(repository.name, pattern) for pattern in settings.repositories):
        raise RepositoryNotAllowed(
            f"{repository.name} is not among the repositories that are fetched from",
            hint="FLOE_COMPILER_GIT_REPOSITORIES lists them",
        )
    return repository
