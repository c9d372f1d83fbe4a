"""What a project declares and pins, read without dbt; and what floe refuses to fetch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from floe_contracts.errors import DocumentInvalid, FloeError
from floe_dbt.errors import DbtLockMissing, DbtLockStale, DbtPackageRefused, DbtPackagesInvalid
from floe_dbt.packages import ProjectPackages, check_packages, install_folder, local_folders, lock_hash, read_packages

Project = Callable[[Mapping[str, str]], Path]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
LOCAL = "packages: [{local: ../greetings}]\n"
LOCAL_LOCK = f"""\
packages: [{{local: ../greetings, name: greetings}}]
sha1_hash: {lock_hash([{"local": "../greetings"}])}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Writes a dbt project into a product, a package beside it, and tells the project's folder."""

    def write(files: Mapping[str, str]) -> Path:
        root = tmp_path / "product"
        base = {"dbt_project.yml": "name: shop\n", "../greetings/dbt_project.yml": "name: greetings\n"}
        (root / "dbt").mkdir(parents=True, exist_ok=True)
        for name, text in {**base, **files}.items():
            file = root / "dbt" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return root / "dbt"

    return write


def packages_of(folder: Path) -> ProjectPackages:
    packages = read_packages(folder)
    assert packages is not None
    return packages


def refused(folder: Path) -> tuple[FloeError, ...]:
    with pytest.raises(DbtPackagesInvalid) as refusal:
        check_packages(packages_of(folder), folder, folder.parent)
    return refusal.value.problems


def locked(project: Project, entry: str) -> Path:
    """A project whose lock has that entry, and is otherwise right."""
    lock = f"packages: [{entry}]\nsha1_hash: {lock_hash([{'local': '../greetings'}])}\n"
    return project({"packages.yml": LOCAL, "package-lock.yml": lock})


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"packages.yml": ""},
        {"packages.yml": "# none\n"},
        {"packages.yml": "packages: []\n"},
        {"packages.yml": "packages:\n"},
        {"dependencies.yml": "projects: [{name: other}]\n"},
    ],
)
def test_a_project_without_packages(project: Project, files: Mapping[str, str]) -> None:
    assert read_packages(project(files)) is None


def test_what_is_declared_and_pinned(project: Project) -> None:
    for name in ("packages.yml", "dependencies.yml"):
        folder = project({name: LOCAL, "package-lock.yml": LOCAL_LOCK})
        packages = packages_of(folder)
        assert (packages.file, packages.names()) == (name, {"greetings"})
        check_packages(packages, folder, folder.parent)
        assert local_folders(packages, folder) == (folder.parent.resolve() / "greetings",)
        (folder / name).unlink()


def test_packages_are_there_when_all_that_the_lock_names_are(project: Project) -> None:
    pinned = packages_of(project({"packages.yml": LOCAL, "package-lock.yml": LOCAL_LOCK}))
    assert pinned.are_in({"greetings", "other"})
    assert not pinned.are_in({"other"})
    (project({}) / "package-lock.yml").unlink()
    unpinned = packages_of(project({}))
    assert unpinned.are_in({"anything"}), "without a lock dbt counts, and so does floe"
    assert not unpinned.are_in(())


def test_a_lock_is_wanted(project: Project) -> None:
    (problem,) = refused(project({"packages.yml": "\n" + LOCAL}))
    assert isinstance(problem, DbtLockMissing)
    assert str(problem.where) == "packages.yml:2:1 (packages)"
    assert "dbt deps --lock" in (problem.hint or "")


def test_a_lock_must_be_that_of_the_declared_packages(project: Project) -> None:
    twice = "packages: [{local: ../greetings}, {local: ../greetings}]\n"
    (problem,) = refused(project({"packages.yml": twice, "package-lock.yml": LOCAL_LOCK}))
    assert isinstance(problem, DbtLockStale)
    (problem,) = refused(project({"packages.yml": LOCAL, "package-lock.yml": LOCAL_LOCK.split("sha1")[0]}))
    assert isinstance(problem, DbtLockStale)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{local: ../../outside}", "inside of the product's folder"),
        ("{local: /etc}", "inside of the product's folder"),
        ("{local: .}", "cannot hold the project that uses it"),
        ("{local: ..}", "cannot hold the project that uses it"),
        ("{local: dbt_packages/greetings}", "cannot hold the project that uses it"),
        ("{local: ../nothing}", "there is no dbt_project.yml"),
        ("{git: 'git@github.com:a/b.git', revision: main}", "by https only"),
        ("{git: 'ssh://git@github.com/a/b.git', revision: main}", "by https only"),
        ("{git: 'ext::sh -c touch% x', revision: main}", "by https only"),
        ("{git: 'file:///etc', revision: main}", "by https only"),
        ("{git: '--upload-pack=x', revision: main}", "by https only"),
        ("{git: ../greetings, revision: main}", "by https only"),
        ("{git: 'https://[x', revision: main}", "no URL"),
        ("{git: 'https://host/a.git', revision: main, subdirectory: ../../x}", "out of the repository"),
        ("{tarball: 'http://host/x.tar.gz', name: x}", "by https only"),
        ("{tarball: 'file:///x.tar.gz', name: x}", "by https only"),
        ("{private: a/b, provider: github}", "no access to a private Git provider"),
        ("{package: dbt_utils, version: 1.0.0}", "is called namespace/name"),
        ("{package: '../../x', version: 1.0.0}", "is called namespace/name"),
        ("{package: 'a/b?c', version: 1.0.0}", "is called namespace/name"),
    ],
)
def test_places_that_floe_does_not_fetch_from(project: Project, entry: str, message: str) -> None:
    declared = project({"packages.yml": f"packages: [{entry}]\n"})
    assert any(isinstance(problem, DbtPackageRefused) and message in problem.message for problem in refused(declared))
    for problem in refused(locked(project, entry)):
        if message in problem.message:
            assert str(problem.where).startswith("package-lock.yml:1:")
            return
    pytest.fail("what the lock names is fetched, so it must be looked at too")


@pytest.mark.parametrize("url", ["https://me:hush@host/a.git", "http://me:hush@host/a.git", "https://me:hush/x@host/a"])
def test_credentials_in_an_address_are_refused_and_not_repeated(project: Project, url: str) -> None:
    problems = refused(project({"packages.yml": f"packages: [{{git: '{url}'}}]\n"}))
    assert "hush" not in " ".join(map(str, problems))
    assert any(
        told in problem.message for problem in problems for told in ("credentials", "by https only", "that is no URL")
    )


def test_a_git_package_is_pinned_to_a_commit(project: Project) -> None:
    entry = "git: 'https://host/a.git', name: a, revision: "
    (problem,) = refused(locked(project, f"{{{entry} v1.0}}"))
    assert "not the full hash of a commit" in problem.message
    folder = locked(project, f"{{{entry} {COMMIT}}}")
    check_packages(packages_of(folder), folder, folder.parent)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("packages: {local: x}\n", "a mapping with a list"),
        ("[1]\n", "a mapping with a list"),
        ("packages: [dbt_utils]\n", "says where it comes from"),
        ("packages: [{package: a/b, git: c}]\n", "says where it comes from"),
        ("packages: [{local: 1}]\n", "says where it comes from"),
        ("packages: [{local: x, path: y}]\n", "'path' is no key of a package"),
        ("packages: [{package: a/b, version: \"{{ env_var('V') }}\"}]\n", "Jinja"),
        ("packages: [{package: a/b, version: 2024-01-01}]\n", "texts, numbers and lists"),
    ],
)
def test_entries_that_name_no_package(project: Project, text: str, message: str) -> None:
    with pytest.raises(DbtPackagesInvalid) as refusal:
        read_packages(project({"packages.yml": text}))
    assert message in refusal.value.problems[0].message
    assert refusal.value.problems[0].where


def test_packages_are_declared_in_one_file(project: Project) -> None:
    with pytest.raises(DbtPackagesInvalid) as refusal:
        read_packages(project({"packages.yml": LOCAL, "dependencies.yml": LOCAL}))
    assert "both packages.yml and dependencies.yml" in refusal.value.problems[0].message


def test_files_that_are_no_yaml(project: Project) -> None:
    for text in ("packages: [", "packages: &a [*a]\n", "a: " + "[" * 1000):
        with pytest.raises(DocumentInvalid):
            read_packages(project({"packages.yml": text}))


def test_packages_are_installed_into_the_usual_folder_only(project: Project) -> None:
    """dbt empties the folder first, wherever it is."""
    files = {"packages.yml": LOCAL, "package-lock.yml": LOCAL_LOCK}
    for folder in ("/", "../..", "~/x", "{{ env_var('HOME') }}"):
        where = project({**files, "dbt_project.yml": f'name: shop\npackages-install-path: "{folder}"\n'})
        (problem,) = refused(where)
        assert "packages-install-path" in problem.message
    assert install_folder(project({"dbt_project.yml": "name: [\n"})) == "dbt_packages"
