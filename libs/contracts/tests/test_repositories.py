"""Addresses of repositories, and refs: what is read, and what is refused because git could misread it."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_contracts.repositories import (
    RefInvalid,
    RepositoryInvalid,
    environments_of,
    full_ref,
    read_repository,
    short_ref,
)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://git.example.com/shop/orders.git", "git.example.com/shop/orders"),
        ("https://git.example.com/shop/orders", "git.example.com/shop/orders"),
        ("https://GIT.example.com/shop/Orders.git/", "git.example.com/shop/Orders"),
        ("ssh://git@git.example.com/shop/orders.git", "git.example.com/shop/orders"),
        ("ssh://git@git.example.com:7999/shop/orders.git", "git.example.com:7999/shop/orders"),
        ("file:///srv/git/orders.git", "localhost/srv/git/orders"),
    ],
)
def test_a_repository_is_named_by_host_and_path(url: str, name: str) -> None:
    repository = read_repository(url)
    assert (repository.url, repository.name) == (url, name)
    assert repository.scheme == url.split(":")[0]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "orders",
        "ext::sh -c 'touch /tmp/owned'",
        "ext::sh%20-c%20touch",
        "--upload-pack=touch /tmp/owned",
        "--upload-pack=x",
        "-oProxyCommand=x",
        "ssh://-oProxyCommand=x/path",
        "ssh://-oProxyCommand=x@git.example.com/path",
        "ssh://git.example.com:x/path",
        "git@git.example.com:shop/orders.git",
        "git://git.example.com/shop/orders.git",
        "http://git.example.com/shop/orders.git",
        "HTTPS://git.example.com/shop/orders.git",
        "file://elsewhere/shop",
        "https:///shop/orders.git",
        "https://git.example.com",
        "https://git.example.com/../orders.git",
        "https://git.example.com/a/%2e%2e/orders.git",
        "https://git.example.com/a//orders.git",
        "https://git.example.com/shop/orders.git?x=1",
        "https://git.example.com/shop/orders.git#x",
        "https://git.example.com/shop/orders\n.git",
        "https://git.example.com/shop/or ders.git",
        "https://git.example.com/" + "a" * 3000,
        "https://ann@git.example.com/shop/orders.git",
    ],
)
def test_what_git_could_misread_is_refused(url: str) -> None:
    with pytest.raises(RepositoryInvalid) as caught:
        read_repository(url)
    assert caught.value.code == "FLOE-GIT-001"
    assert "\n" not in caught.value.message


def test_credentials_are_refused_and_not_repeated() -> None:
    for url in ("https://ann:canary@git.example.com/shop.git", "ssh://git:canary@git.example.com/shop.git"):
        with pytest.raises(RepositoryInvalid, match="credentials") as caught:
            read_repository(url)
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://ann:canary@git.example.com/shop.git",
        "https://ann:canary/x@git.example.com/shop.git",
        "https://ann:canary@@git.example.com/shop.git",
        "https://ann:canary#@git.example.com/shop.git",
        "https://ann:[canary@git.example.com/shop.git",
        "https://git.example.com/shop.git?token=canary",
        "https:ann:canary@git.example.com/shop.git",
        "ann:canary@git.example.com:shop.git",
        "https://" + "a" * 190 + ":canary@git.example.com/shop.git",
    ],
)
def test_what_may_be_credentials_is_not_repeated_whatever_else_is_wrong(url: str) -> None:
    with pytest.raises(RepositoryInvalid) as caught:
        read_repository(url)
    assert "canary" not in str(caught.value)


@given(st.text())
def test_rubbish_is_refused_with_an_error_of_floe(text: str) -> None:
    for written in (text, f"https://{text}", f"ssh://{text}"):
        with contextlib.suppress(RepositoryInvalid):
            assert "/" in read_repository(written).name
    for written in (text, f"refs/heads/{text}"):
        with contextlib.suppress(RefInvalid):
            assert full_ref(written).startswith("refs/")


def test_a_ref_is_named_in_full() -> None:
    assert full_ref("main") == "refs/heads/main"
    assert full_ref("feature/x-1") == "refs/heads/feature/x-1"
    assert full_ref("refs/tags/v1.0.0") == "refs/tags/v1.0.0"
    assert short_ref("refs/heads/feature/x") == "feature/x"
    assert short_ref("refs/tags/v1") == "v1"


@pytest.mark.parametrize(
    "ref",
    [
        "",
        "refs/heads/",
        "refs/pull/1/head",
        "a..b",
        "a b",
        "a:b",
        "+a:b*",
        "a^",
        "a~1",
        "a@{1}",
        "a.lock",
        "a/",
        "a\\b",
    ],
)
def test_a_ref_that_git_would_not_name_so_is_refused(ref: str) -> None:
    with pytest.raises(RefInvalid) as caught:
        full_ref(ref)
    assert caught.value.code == "FLOE-GIT-002"


def test_an_exact_ref_wins_over_globs() -> None:
    refs = {"dev": ("*",), "prod": ("main",), "staging": ("refs/heads/release/*", "rc-?"), "off": ()}
    assert environments_of("refs/heads/main", refs) == ("prod",)
    assert environments_of("refs/heads/topic", refs) == ("dev",)
    assert environments_of("refs/heads/release/1", refs) == ("dev", "staging")
    assert environments_of("refs/heads/rc-1", refs) == ("dev", "staging")
    assert environments_of("refs/tags/v1", refs | {"live": ("refs/tags/v1",)}) == ("live",)
    assert environments_of("refs/heads/topic", {"prod": ("main",)}) == ()
