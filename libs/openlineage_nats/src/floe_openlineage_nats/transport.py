"""The transport: called from any thread, it publishes on a connection that lives in a thread of its own."""

from __future__ import annotations

import atexit
import json
import logging
import os
import threading
from typing import Any

from openlineage.client.serde import Serde
from openlineage.client.transport.transport import Config, Transport

from floe_openlineage_nats.config import NatsConfig
from floe_openlineage_nats.connection import Connection, Message
from floe_openlineage_nats.messages import headers_of, message_id, subject_of

_log = logging.getLogger(__name__)


class NatsTransport(Transport):
    """Publishes each event, and returns when it is stored.

    While the bus is away, events wait in memory in their order, and nobody waits for them: what a producer works on
    takes no longer because of its lineage.

    Args:
        config: see `NatsConfig`.
    """

    kind = "nats"
    config_class: type[Config] = NatsConfig

    def __init__(self, config: NatsConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    def emit(self, event: Any) -> None:
        """Publish one event, or keep it until the bus is there.

        Raises:
            nats.errors.Error: the bus refuses it: no stream takes the subject, or this identity may not publish there.
            QueueFull: too many events wait.
        """
        body = Serde.to_json(event).encode()
        told: dict[str, Any] = json.loads(body)
        headers = {**headers_of(told), "Nats-Msg-Id": message_id(told, body)}
        if self._config.messageTtl is not None:
            headers["Nats-TTL"] = self._config.messageTtl
        self._connected().publish(Message(subject_of(self._config.subject, told), body, headers))

    def close(self, timeout: float = -1) -> bool:
        """Give what waits `timeout` seconds to leave, `publishTimeout` if it is negative, and close the connection.

        Returns:
            Whether every event is stored.
        """
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is None or connection.process != os.getpid():
            return True
        lost = connection.close(timeout if timeout >= 0 else self._config.publishTimeout)
        if lost:
            _log.error("%d events are lost: the bus at %s did not come back", lost, self._config.readable_url())
        return not lost

    def _connected(self) -> Connection:
        with self._lock:
            # A thread does not live on in a forked child, and the parent's connection is not the child's.
            if self._connection is None or self._connection.process != os.getpid():
                self._connection = Connection(self._config)
                atexit.register(self.close)
            return self._connection
