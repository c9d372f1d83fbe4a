"""What the compiler refuses of Git repositories, and of products that come from them."""

from __future__ import annotations

from floe_contracts.errors import Permanent, Transient


class RepositoryNotAllowed(Permanent):
    """A push tells of a repository that this compiler may not fetch from."""

    code = "FLOE-GIT-003"
    title = "A repository is not among the allowed ones"


class RepositoryMismatch(Permanent):
    """A push tells of one repository and gives the address of another."""

    code = "FLOE-GIT-004"
    title = "A push names another repository than its address"


class RepositoryTooLarge(Permanent):
    """A repository holds more files, products or bytes than the compiler takes."""

    code = "FLOE-GIT-005"
    title = "A repository is over a limit"


class GitFailed(Transient):
    """`git` did not do what it was asked for: the server is away, refuses us, or takes too long."""

    code = "FLOE-GIT-006"
    title = "A Git repository cannot be fetched"


class GitMissing(Transient):
    """The machine has no `git` program."""

    code = "FLOE-GIT-007"
    title = "There is no git program"


class StateChanged(Transient):
    """Another compiler wrote the state of a ref or the owner of a product meanwhile."""

    code = "FLOE-GIT-008"
    title = "What is known of a repository was changed by another compiler"


class SymlinkRefused(Permanent):
    """A product's folder holds a symbolic link."""

    code = "FLOE-GIT-010"
    title = "Symbolic links are not taken from repositories"


class SubmoduleRefused(Permanent):
    """A product's folder holds a submodule."""

    code = "FLOE-GIT-011"
    title = "Submodules are not fetched"


class LargeFileRefused(Permanent):
    """A product's folder holds a pointer of Git LFS in place of a file."""

    code = "FLOE-GIT-012"
    title = "Files of Git LFS are not fetched"


class PathRefused(Permanent):
    """A product's folder holds a name that not every file system can keep, or that leads elsewhere."""

    code = "FLOE-GIT-013"
    title = "A path in a repository is not allowed"


class ProductTooLarge(Permanent):
    """A product's folder holds more than a source bundle carries."""

    code = "FLOE-GIT-014"
    title = "A product's folder is over a limit"


class ProductOwned(Permanent):
    """A product's name belongs to another repository."""

    code = "FLOE-GIT-015"
    title = "A product belongs to another repository"


class ProductTwice(Permanent):
    """Two folders of a repository hold the same product."""

    code = "FLOE-GIT-016"
    title = "A repository holds a product twice"
