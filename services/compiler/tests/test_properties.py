from __future__ import annotations

from floe_contracts.platform.catalogs import PolarisCatalog
from floe_contracts.platform.credentials import OAuth2Credentials
from floe_contracts.platform.properties import properties_of
from floe_contracts.platform.storages import LocalStorage, S3Storage


def test_secrets_stand_apart_by_their_paths() -> None:
    catalog = PolarisCatalog.model_validate(
        {
            "type": "polaris",
            "uri": {"secretRef": "polaris-uri"},
            "warehouse": "lake",
            "credentials": {"mode": "oauth2", "clientId": "floe", "clientSecret": {"secretRef": "polaris-secret"}},
        }
    )
    assert isinstance(catalog.credentials, OAuth2Credentials)
    properties, secrets = properties_of(catalog)
    assert secrets == {"credentials.client_secret": "polaris-secret", "uri": "polaris-uri"}
    assert properties["credentials"] == {"mode": "oauth2", "client_id": "floe"}
    assert (properties["warehouse"], "uri" in properties, "type" in properties) == ("lake", False, False)


def test_a_pair_of_keys_is_a_secret_of_the_credentials() -> None:
    keys = {"mode": "static", "secretRef": "lake-keys"}
    storage = S3Storage.model_validate({"type": "s3", "bucket": "lake", "credentials": keys})
    properties, secrets = properties_of(storage)
    assert secrets == {"credentials": "lake-keys"}
    assert properties["credentials"] == {"mode": "static"}


def test_nothing_to_say_is_nothing() -> None:
    assert properties_of(LocalStorage(type="local")) == ({}, {})
