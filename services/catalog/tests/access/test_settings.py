"""The administrator's credentials are settings that belong together."""

from __future__ import annotations

import pytest

from floe_catalog.settings import CatalogSettings
from floe_chassis.errors import SettingInvalid
from floe_chassis.settings import load_settings

NEEDED = {"FLOE_CATALOG_URI": "sqlite:///catalog.db", "FLOE_CATALOG_WAREHOUSE": "file:///lake"}
WHOLE = {
    "FLOE_CATALOG_POLARIS_URI": "https://polaris.example.com",
    "FLOE_CATALOG_POLARIS_CLIENT_ID": "root",
    "FLOE_CATALOG_POLARIS_CLIENT_SECRET": "canary",
}


@pytest.mark.parametrize("missing", list(WHOLE))
def test_one_without_the_others_is_refused(missing: str) -> None:
    with pytest.raises(SettingInvalid, match="set together") as caught:
        load_settings(CatalogSettings, NEEDED | {name: value for name, value in WHOLE.items() if name != missing})
    assert "canary" not in str(caught.value)


def test_a_variable_that_is_empty_is_not_set() -> None:
    settings = load_settings(CatalogSettings, NEEDED | dict.fromkeys(WHOLE, ""))
    assert settings.polaris_uri is None


def test_an_address_without_a_scheme_is_refused() -> None:
    with pytest.raises(SettingInvalid, match="FLOE_CATALOG_POLARIS_URI"):
        load_settings(CatalogSettings, NEEDED | WHOLE | {"FLOE_CATALOG_POLARIS_URI": "polaris.example.com"})
