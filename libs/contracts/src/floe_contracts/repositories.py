"""Git repositories by their addresses: what an address may look like, the name it stands for, and refs.

Addresses and refs become arguments of `git`; what could be taken for an option or another transport is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final
from urllib.parse import unquote, urlsplit

from floe_contracts.errors import Permanent

LOCAL_HOST: Final = "localhost"
_MOST: Final = 2048
_SCHEMES: Final = frozenset({"https", "ssh", "file"})
_TEXT: Final = re.compile(r"[!-~]+")
_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_USER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SCP_LIKE: Final = re.compile(r"(?:[\w.-]+@)?[\w.-]+:[^/].*")
_BRANCHES: Final = "refs/heads/"
_FULL_REF: Final = re.compile(r"refs/(?:heads|tags)/[^\x00-\x20\x7f~^:?*\[\\]+")
_REF_NEVER: Final = re.compile(r"\.\.|@\{|//|/\.|\.lock(?:/|$)|[./]$")


class RepositoryInvalid(Permanent):
    """The address of a repository cannot be used."""

    code = "FLOE-GIT-001"
    title = "The address of a repository is not allowed"


class RefInvalid(Permanent):
    """Not the full name of a branch or a tag."""

    code = "FLOE-GIT-002"
    title = "A Git ref is not valid"


@dataclass(frozen=True, slots=True)
class Repository:
    """A checked address.

    Attributes:
        url: as it was given; holds neither password nor option.
        scheme: https, ssh or file.
        name: host and path without `.git`, the same by whichever scheme.
    """

    url: str
    scheme: str
    name: str


def read_repository(url: str) -> Repository:
    """Check the address of a repository.

    Raises:
        RepositoryInvalid: another scheme than https, ssh and file, credentials in it, or no host and path.
    """
    shown = ascii(without_credentials(url)[:200])
    if len(url) > _MOST or not _TEXT.fullmatch(url):
        raise RepositoryInvalid(f"{shown} is no address", hint="printable ASCII, without spaces")
    if "://" not in url and _SCP_LIKE.fullmatch(url):
        raise RepositoryInvalid(f"{shown} has no scheme", hint="write ssh://git@host/path.git")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # its text repeats what it took for a port: a password, if that has a slash in it
        raise RepositoryInvalid(
            f"{shown} is no address", hint="as in https://git.example.com/shop/orders.git"
        ) from None
    if parts.scheme not in _SCHEMES or not url.startswith(f"{parts.scheme}://"):
        raise RepositoryInvalid(f"{shown} is not fetched from", hint="addresses begin with https:// or ssh://")
    if parts.password is not None or (parts.username is not None and parts.scheme != "ssh"):
        raise RepositoryInvalid(f"{shown} holds credentials", hint="give them to the compiler in a credentials file")
    if parts.query or parts.fragment:
        raise RepositoryInvalid(f"{shown} has a query or a fragment")
    if parts.username is not None and not _USER.fullmatch(parts.username):
        raise RepositoryInvalid(f"{shown} has a user name that ssh could misread")
    if (host == "") != (parts.scheme == "file") or (host and not _HOST.fullmatch(host)):
        raise RepositoryInvalid(f"{shown} names no host", hint="as in https://git.example.com/shop/orders.git")
    path = unquote(parts.path).strip("/").removesuffix(".git").rstrip("/")
    if not path or not {"", ".", ".."}.isdisjoint(path.split("/")) or not path.isprintable():
        raise RepositoryInvalid(f"{shown} names no repository", hint="as in https://git.example.com/shop/orders.git")
    place = host if port is None else f"{host}:{port}"
    return Repository(url, parts.scheme, f"{place or LOCAL_HOST}/{path}")


def full_ref(ref: str) -> str:
    """The full name of a ref; a short one is a branch.

    Raises:
        RefInvalid: not a name that Git gives to a branch or a tag.
    """
    full = ref if ref.startswith("refs/") else _BRANCHES + ref
    if len(full) > _MOST or not _FULL_REF.fullmatch(full) or _REF_NEVER.search(full):
        raise RefInvalid(f"{ref[:200]!a} is no branch or tag", hint="as in main, or refs/tags/v1.0.0")
    return full


def short_ref(ref: str) -> str:
    """`main` of `refs/heads/main`, `v1` of `refs/tags/v1`."""
    return ref.split("/", 2)[2] if ref.startswith(("refs/heads/", "refs/tags/")) else ref


def environments_of(ref: str, refs: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The environments that a ref builds in.

    Args:
        ref: full name of the ref.
        refs: environment -> its refs, as `platform.yaml` lists them: short or full names, or globs.

    Returns:
        Those that name the ref exactly; where none does, those with a glob that fits. Sorted.
    """
    names = {ref, short_ref(ref)}
    exact = [environment for environment, listed in refs.items() if not names.isdisjoint(listed)]
    if exact:
        return tuple(sorted(exact))
    fitting = (
        environment
        for environment, listed in refs.items()
        if any(fnmatchcase(name, pattern) for pattern in listed for name in names)
    )
    return tuple(sorted(fitting))


def without_credentials(url: str) -> str:
    """`url` for a message: without a query, and without all that stands between its scheme and its last @."""
    return re.split(r"[?#]", re.sub(r"^((?:[a-z+]+:/{1,3})?).*@", r"\1", url, flags=re.DOTALL))[0]
