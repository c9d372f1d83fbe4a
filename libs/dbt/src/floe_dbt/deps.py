"""Installing the packages of a dbt project with `dbt deps`, so that they can travel with it."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from floe_contracts.documents.secrets_scan import redacted
from floe_contracts.errors import Permanent, Where
from floe_dbt.environment import dbt_environment
from floe_dbt.errors import (
    DbtDied,
    DbtHubUnreachable,
    DbtPackageRefused,
    DbtPackagesFailed,
    DbtTimedOut,
)
from floe_dbt.packages import INSTALL_FOLDER, ProjectPackages
from floe_dbt.parse_errors import parse_failure
from floe_dbt.warm_dbt import WarmDbt

HUB_URL: Final = "DBT_PACKAGE_HUB_URL"
"""dbt's own variable for another hub than the public one."""

_NETWORK: Final = frozenset(
    {HUB_URL, "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE", "GIT_SSL_CAINFO"}
    | {name for proxy in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY") for name in (proxy, proxy.lower())}
)
"""What reaching the hub may take, in a closed network."""

_GIT: Final = {
    "GIT_ALLOW_PROTOCOL": "https",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
}
"""No protocols that run programs, no settings or credentials of this machine, no questions."""

_NOT_INSTALLED: Final = (".floe", ".git", INSTALL_FOLDER, "logs", "target")
_UNREACHABLE: Final = re.compile(
    r"Max retries exceeded|Could not resolve host|Failed to connect|Connection (?:refused|reset|aborted)|timed out"
    r"|Could(?:n't| not) connect|NameResolutionError|unable to access .*(?:SSL|certificate|error: 5\d\d)"
    r"|\b(?:502|503|504) Server Error"
    # dbt's words for a hub whose answers are none: a proxy that wants a login, an error page.
    r"|External connection exception occurred",
)
_HINT: Final = f"try again later; in a closed network set {HUB_URL}, or commit the folder {INSTALL_FOLDER}"
_MOST_OUTPUT_BYTES: Final = 1 << 20


def install_packages(
    dbt: WarmDbt,
    project_dir: Path,
    packages: ProjectPackages,
    *,
    root: Path,
    source: Mapping[str, str],
    timeout: float | None = 120.0,
) -> Path:
    """Run `dbt deps` in `project_dir`.

    Args:
        dbt: runs dbt; started.
        project_dir: folder of dbt_project.yml, absolute.
        packages: its packages, which `check_packages` has passed.
        root: folder of the product; links of local packages are followed inside of it, and nowhere else.
        source: where PATH, proxies, certificates and the address of the hub come from, usually `os.environ`.
        timeout: seconds after which dbt is killed: hubs answer within a few, and the next submission waits.

    Returns:
        The folder with the packages. It holds plain files only.

    Raises:
        DbtHubUnreachable: the hub or a Git host does not answer, or not in time.
        DbtPackagesFailed: dbt refuses, or has not installed what the lock names.
        DbtPackageRefused: a package has a link that leads out of it.
        DbtDied: the dbt process was killed.
        DbtUnavailable: the fork server does not answer.
        DbtBusy: the fork server is full.
    """
    folder = project_dir / INSTALL_FOLDER
    with tempfile.TemporaryDirectory(prefix="floe-deps-") as scratch, tempfile.TemporaryFile() as output:
        try:
            ended = dbt.invoke(
                _arguments(project_dir, Path(scratch)),
                cwd=project_dir,
                environment=_environment(source, Path(scratch)),
                output=output,
                timeout=timeout,
            )
        except DbtTimedOut as error:
            raise DbtHubUnreachable(f"dbt deps: {error.message}", where=Where(packages.file), hint=_HINT) from error
        output.seek(0)
        lines = output.read(_MOST_OUTPUT_BYTES).decode(errors="replace").splitlines()
        if ended.returncode < 0:
            raise DbtDied(f"dbt deps was killed by signal {-ended.returncode}")
        if ended.returncode != 0:
            raise _failure(lines, (project_dir, Path(scratch)), packages.file)
    _copy_linked(folder, root)
    missing = sorted((packages.names() or frozenset()) - installed_in(folder))
    if missing:
        raise DbtPackagesFailed(
            f"dbt deps has not installed {', '.join(missing)}, which package-lock.yml names",
            where=Where(packages.file),
            hint="run `dbt deps --lock` again and commit package-lock.yml",
        )
    return folder


def installed_in(folder: Path) -> frozenset[str]:
    """The names of the packages in an install folder."""
    return frozenset(file.parent.name for file in folder.glob("*/dbt_project.yml"))


def _arguments(project_dir: Path, scratch: Path) -> list[str]:
    return [
        *("--log-format", "json", "--log-level-file", "none", "--no-use-colors", "--log-path", str(scratch)),
        *("deps", "--project-dir", str(project_dir)),
    ]


def _environment(source: Mapping[str, str], scratch: Path) -> dict[str, str]:
    """The environment of `dbt deps`: with the way to the hub, and a home of its own, without `.netrc` and keys.

    A project can read all of it in dbt_project.yml and have dbt repeat it in an error, so addresses with credentials in
    them stay out.
    """
    network = {name: value for name, value in source.items() if name in _NETWORK and "@" not in value}
    own = {"HOME": str(scratch), "DBT_DOWNLOADS_DIR": str(scratch / "downloads")}
    return {**dbt_environment(source, profiles_dir=scratch), **network, **_GIT, **own}


def _failure(lines: Sequence[str], folders: Sequence[Path], file: str) -> Permanent:
    message = redacted(parse_failure(lines, folders=folders).message)
    if _UNREACHABLE.search(message):
        return DbtHubUnreachable(f"dbt deps: {message}", where=Where(file), hint=_HINT)
    return DbtPackagesFailed(f"dbt deps: {message}", where=Where(file), hint="check the names and versions of the lock")


def _copy_linked(folder: Path, root: Path) -> None:
    """Put files where dbt has put links: a local package becomes a copy, and so does a file linked inside a package."""
    for package in sorted(folder.iterdir()):
        if package.is_symlink():
            target = package.resolve()
            package.unlink()
            _check_inside(package, target, root)
            shutil.copytree(target, package, symlinks=True, ignore=partial(_not_installed, target))
        for link in list(_links(package)):
            target = link.resolve()
            _check_inside(link, target, package)
            link.unlink()
            if target.is_file():
                shutil.copyfile(target, link)
                link.chmod(target.stat().st_mode & 0o777)
            else:
                raise _leads_out(link)


def _not_installed(package: Path, place: str, names: Sequence[str]) -> list[str]:
    """What is left out of a copy: dbt's output and the like at the top; a folder of that name below holds sources."""
    return [name for name in names if Path(place) == package and name in _NOT_INSTALLED]


def _links(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        yield from (Path(place, name) for name in (*folders, *files) if Path(place, name).is_symlink())


def _check_inside(link: Path, target: Path, root: Path) -> None:
    if not target.is_relative_to(root.resolve()):
        raise _leads_out(link)


def _leads_out(link: Path) -> DbtPackageRefused:
    return DbtPackageRefused(
        f"the package has a symbolic link {link.name!r} to something that is not one of its files",
        where=Where(str(Path(*link.parts[link.parts.index(INSTALL_FOLDER) :]))),
        hint="put the file itself there",
    )
