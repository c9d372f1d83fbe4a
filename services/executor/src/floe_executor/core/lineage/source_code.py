"""Where the code of a job lives in Git, as an address that people can open."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlsplit

from floe_contracts.events import SourceReference
from floe_contracts.openlineage import job_facets
from floe_contracts.openlineage.facet import Facet
from floe_contracts.repositories import without_credentials

_BRANCHES: Final = "refs/heads/"
_TAGS: Final = "refs/tags/"
_FILE_PAGES: Final = {
    "github.com": "blob",
    "gitlab.com": "-/blob",
    "bitbucket.org": "src",
    "codeberg.org": "src/commit",
}


def location(source: SourceReference | None, path: str | None = None) -> Facet | None:
    """The facet of the file at `path`, from the product's folder; None where nobody said where the code came from."""
    if source is None or not source.repository:
        return None
    if source.folder:
        path = f"{source.folder}/{path}" if path else source.folder
    repository = without_credentials(source.repository)
    ref = source.ref or ""
    return job_facets.source_code(
        _page(repository, source.commit, path),
        repository=repository,
        path=path,
        version=source.commit,
        branch=ref.removeprefix(_BRANCHES) if ref.startswith(_BRANCHES) else None,
        tag=ref.removeprefix(_TAGS) if ref.startswith(_TAGS) else None,
    )


def _page(repository: str, commit: str | None, path: str | None) -> str:
    """The page of the file where the host is one that is known to have such; else the repository's own address."""
    if "://" not in repository:  # host and path, or how ssh writes it
        host, _, rest = repository.rpartition("@")[2].replace(":", "/", 1).partition("/")
        repository = f"https://{host}/{rest}" if rest else f"git:{quote(repository)}"
    parts = urlsplit(repository)
    pages = _FILE_PAGES.get(parts.hostname or "")
    if pages is None or not commit or not path:
        return quote(repository, safe=":/@%")
    return f"https://{parts.hostname}{quote(parts.path.removesuffix('.git'))}/{pages}/{commit}/{quote(path)}"
