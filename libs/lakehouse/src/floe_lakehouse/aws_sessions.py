"""Keys of AWS: given ones, those of a role that is taken on, or what the worker itself holds (boto's default chain)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

ROLE: Final = "client.role-arn"
_SESSION_NAME: Final = "floe"
_OWN_KEYS: Final = frozenset({"client.access-key-id", "client.secret-access-key", "client.session-token"})


@dataclass(frozen=True, slots=True)
class Keys:
    """A pair of keys, and the token of their session where they end."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def in_role(properties: Mapping[str, Any]) -> dict[str, Any]:
    """What pyiceberg opens a catalog of AWS with: of properties that name a role, its session in the place of keys.

    Raises:
        ModuleNotFoundError: boto3 is not installed.
    """
    if ROLE not in properties:
        return dict(properties)
    kept = {name: value for name, value in properties.items() if name not in _OWN_KEYS}  # they would go before it
    return {**kept, "botocore_session": botocore_session(properties)}


def botocore_session(properties: Mapping[str, Any]) -> Any:
    """A session of botocore whose credentials are those of the role `client.role-arn`, renewed before they end.

    Args:
        properties: the role, and who takes it on: `client.access-key-id` and the like, or the worker itself.

    Raises:
        ModuleNotFoundError: boto3 is not installed.
    """
    import boto3  # type: ignore[import-untyped]
    from botocore.credentials import (  # type: ignore[import-untyped]
        AssumeRoleCredentialFetcher,
        DeferredRefreshableCredentials,
    )
    from botocore.session import get_session  # type: ignore[import-untyped]

    own = boto3.Session(
        aws_access_key_id=properties.get("client.access-key-id"),
        aws_secret_access_key=properties.get("client.secret-access-key"),
        aws_session_token=properties.get("client.session-token"),
        region_name=properties.get("client.region"),
    )
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=own._session.create_client,  # noqa: SLF001 - botocore's own example, boto3 has no other way
        source_credentials=own.get_credentials(),
        role_arn=properties[ROLE],
        extra_args={"RoleSessionName": _SESSION_NAME},
    )
    session = get_session()
    session._credentials = DeferredRefreshableCredentials(  # noqa: SLF001 - as above
        refresh_using=fetcher.fetch_credentials, method="assume-role"
    )
    return session


def store_keys(properties: Mapping[str, str]) -> Keys | None:
    """The keys that open an S3 store now; they may end within the hour.

    Args:
        properties: of pyiceberg's FileIO: `s3.access-key-id` and the like, or `s3.role-arn`, or none of these.

    Returns:
        The keys; None where the worker holds none, so that only what is public can be read.

    Raises:
        ModuleNotFoundError: none are given, and boto3 is not installed.
    """
    access, secret = properties.get("s3.access-key-id"), properties.get("s3.secret-access-key")
    if access and secret:
        return Keys(access, secret, properties.get("s3.session-token"))
    import boto3

    role = properties.get("s3.role-arn")
    session = botocore_session({ROLE: role, **_region(properties)}) if role else boto3.Session()
    found = session.get_credentials()
    if found is None:
        return None
    frozen = found.get_frozen_credentials()
    return Keys(frozen.access_key, frozen.secret_key, frozen.token)


def _region(properties: Mapping[str, str]) -> dict[str, str]:
    return {"client.region": properties["s3.region"]} if "s3.region" in properties else {}
