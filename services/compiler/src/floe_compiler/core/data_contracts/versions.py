"""Semantic versions of data contracts, and the part of them that goes up."""

from __future__ import annotations

from enum import IntEnum


class Bump(IntEnum):
    """The part of a semantic version that goes up; a larger one covers the smaller ones."""

    NONE = 0
    PATCH = 1
    MINOR = 2
    MAJOR = 3

    @property
    def shown(self) -> str:
        """In words, as in `a minor bump`."""
        return "no bump" if self is Bump.NONE else f"a {self.name.lower()} bump"


def bump_made(old: str, new: str) -> Bump | None:
    """The bump from `old` to `new`; None when the version has gone back.

    Where only the pre-release or the build differs, that is a patch.
    """
    before, after = numbers(old), numbers(new)
    if after < before:
        return None
    if after == before:
        return Bump.NONE if old == new else Bump.PATCH
    changed = next(index for index in range(3) if before[index] != after[index])
    return (Bump.MAJOR, Bump.MINOR, Bump.PATCH)[changed]


def next_version(version: str, bump: Bump) -> str:
    """The version after `version` by that bump."""
    major, minor, patch = numbers(version)
    match bump:
        case Bump.MAJOR:
            return f"{major + 1}.0.0"
        case Bump.MINOR:
            return f"{major}.{minor + 1}.0"
        case _:
            return f"{major}.{minor}.{patch + 1}"


def numbers(version: str) -> tuple[int, int, int]:
    """Major, minor and patch of a semantic version."""
    major, minor, patch = version.split("+")[0].split("-")[0].split(".")
    return int(major), int(minor), int(patch)
