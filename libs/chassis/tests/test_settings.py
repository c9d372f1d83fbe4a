"""Settings come from the mapping that is handed in, and wrong ones are named."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from floe_chassis.errors import SettingInvalid
from floe_chassis.settings import ChassisSettings, load_settings


class _Own(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="FLOE_OWN_", frozen=True)

    token: SecretStr
    names: tuple[str, ...] = ()


def test_values_come_from_the_mapping_and_not_from_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOE_TENANT", "process")
    monkeypatch.setenv("FLOE_OWN_TOKEN", "process")
    settings = load_settings(ChassisSettings, {"FLOE_ACK_WAIT": "2.5", "FLOE_WORK_DIR": "/w", "OTHER": "x"})
    assert (settings.tenant, settings.ack_wait, settings.work_dir) == ("default", 2.5, Path("/w"))
    assert ChassisSettings().tenant == "default"
    with pytest.raises(SettingInvalid, match="FLOE_OWN_TOKEN"):
        load_settings(_Own, {})


def test_settings_of_a_service_read_lists_and_secrets() -> None:
    settings = load_settings(_Own, {"FLOE_OWN_TOKEN": "hush", "FLOE_OWN_NAMES": '["a", "b"]'})
    assert settings.names == ("a", "b")
    assert settings.token.get_secret_value() == "hush"
    assert "hush" not in repr(settings)
    assert type(settings) is _Own


def test_a_wrong_value_is_an_error_with_its_variable_and_without_its_value() -> None:
    with pytest.raises(SettingInvalid) as caught:
        load_settings(ChassisSettings, {"FLOE_ACK_WAIT": "s3cret", "FLOE_HTTP_PORT": "99999"})
    assert caught.value.code == "FLOE-SET-001"
    assert "FLOE_ACK_WAIT" in str(caught.value)
    assert "FLOE_HTTP_PORT" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    with pytest.raises(SettingInvalid, match="FLOE_OWN_NAMES: not valid JSON"):
        load_settings(_Own, {"FLOE_OWN_TOKEN": "x", "FLOE_OWN_NAMES": "a,b"})


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    assert load_settings(ChassisSettings, {"FLOE_BLOBS_URL": ""}).blobs_url is None


def test_settings_are_frozen_and_do_not_show_the_password_of_the_bus() -> None:
    settings = ChassisSettings(nats_url="nats://user:hush@127.0.0.1:4222")
    assert "hush" not in repr(settings)
    with pytest.raises(ValidationError):
        settings.tenant = "other"
