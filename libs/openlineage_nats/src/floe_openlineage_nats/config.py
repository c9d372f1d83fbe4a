"""The options of the transport, as they stand in `openlineage.yml`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attr
from openlineage.client.transport.transport import Config
from openlineage.client.utils import get_only_specified_fields


@attr.define(kw_only=True)
class NatsConfig(Config):
    """Where events go, and how to get in. The names are those that the OpenLineage clients use.

    Attributes:
        url: servers, separated by commas.
        subject: where events are published; `{job}` and `{eventType}` stand for those of each event.
        jetstream: whether to wait until a stream has stored the event.
        publishTimeout: seconds for connecting and storing; after that an event waits in memory.
        messageTtl: how long the stream keeps an event, as the server writes durations.
        user: with `password`.
        password: with `user`.
        token: instead of user and password.
        seedFile: file with an nkey seed.
        credentialsFile: file with a JWT and its seed.
        caFile: certificate authority of the servers.
    """

    subject: str
    url: str = attr.field(default="nats://127.0.0.1:4222", repr=False)
    jetstream: bool = attr.field(default=True, converter=attr.converters.to_bool)
    publishTimeout: float = attr.field(default=5.0, converter=float)  # noqa: N815
    messageTtl: str | None = None  # noqa: N815
    user: str | None = None
    password: str | None = attr.field(default=None, repr=False)
    token: str | None = attr.field(default=None, repr=False)
    seedFile: str | None = None  # noqa: N815
    credentialsFile: str | None = None  # noqa: N815
    caFile: str | None = None  # noqa: N815

    @classmethod
    def from_dict(cls, params: dict[str, Any]) -> NatsConfig:
        """Read the options of `transport`.

        Raises:
            ValueError: there is no subject, or the file of a seed or of credentials is not there.
        """
        if not params.get("subject"):
            raise ValueError("the NATS transport needs a subject: set transport.subject")
        config = cls(**get_only_specified_fields(cls, params))
        for name in ("seedFile", "credentialsFile", "caFile"):
            path = getattr(config, name)
            if path is not None and not Path(path).is_file():
                raise ValueError(f"the NATS transport cannot read {name}: there is no file {path}")
        return config

    def readable_url(self) -> str:
        """The servers without what may be a password."""
        return ",".join(url.rpartition("@")[2] for url in self.url.split(","))

    def connection(self) -> dict[str, Any]:
        """The options for `nats.connect`."""
        options: dict[str, Any] = {
            "servers": [url.strip() for url in self.url.split(",")],
            "connect_timeout": self.publishTimeout,
            "max_reconnect_attempts": -1,
            "reconnect_time_wait": 0.5,
            "name": "openlineage",
        }
        given = {
            "user": self.user,
            "password": self.password,
            "token": self.token,
            "nkeys_seed": self.seedFile,
            "user_credentials": self.credentialsFile,
        }
        options.update({name: value for name, value in given.items() if value is not None})
        if self.caFile is not None:
            import ssl

            options["tls"] = ssl.create_default_context(cafile=self.caFile)
        return options
