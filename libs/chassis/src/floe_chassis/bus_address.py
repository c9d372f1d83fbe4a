"""Where the bus is and who we are there, from the settings to what nats-py takes."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import nkeys  # type: ignore[import-untyped]

from floe_chassis.errors import SettingInvalid
from floe_chassis.settings import ChassisSettings

_SCHEMES: Final = frozenset({"nats", "tls", "ws", "wss"})
_HINT: Final = "nats://host:port or tls://host:port, several separated by commas"


def servers(settings: ChassisSettings) -> list[str]:
    """The servers of the bus, each with its scheme.

    Raises:
        SettingInvalid: one is not the address of a server.
    """
    urls = [url.strip() for url in settings.nats_url.split(",") if url.strip()]
    complete = [url if "://" in url else f"nats://{url}" for url in urls]
    for url in complete:
        try:
            parts = urlsplit(url)
            usable = parts.scheme in _SCHEMES and parts.hostname and (parts.port is None or parts.port > 0)
        except ValueError:
            usable = False
        if not usable:
            raise SettingInvalid("FLOE_NATS_URL: not the address of a NATS server", hint=_HINT)
    if not complete:
        raise SettingInvalid("FLOE_NATS_URL is empty", hint=_HINT)
    return complete


def readable_address(settings: ChassisSettings) -> str:
    """The servers without user and password, for people to read."""
    places = [urlsplit(url) for url in servers(settings)]
    return ",".join(f"{place.scheme}://{place.hostname}:{place.port or 4222}" for place in places)


def identity(settings: ChassisSettings) -> dict[str, Any]:
    """The options of nats-py for nkey and certificate authority.

    Raises:
        SettingInvalid: a file cannot be used.
    """
    options: dict[str, Any] = {}
    if settings.nats_seed_file is not None:
        options["nkeys_seed"] = _checked_seed(settings.nats_seed_file)
    if settings.nats_ca_file is not None:
        try:
            options["tls"] = ssl.create_default_context(cafile=str(settings.nats_ca_file))
        except OSError as error:
            raise SettingInvalid(f"FLOE_NATS_CA_FILE: {error}") from error
    return options


def _checked_seed(path: Path) -> str:
    try:
        nkeys.from_seed(bytearray(path.read_bytes().strip())).wipe()
    except OSError as error:
        raise SettingInvalid(f"FLOE_NATS_SEED_FILE: {error}") from error
    except (nkeys.NkeysError, ValueError) as error:
        raise SettingInvalid("FLOE_NATS_SEED_FILE: the file holds no nkey seed") from error
    return str(path)
