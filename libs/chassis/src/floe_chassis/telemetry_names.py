"""The names of every span, attribute and metric of the chassis (OpenTelemetry semantic conventions for messaging)."""

from __future__ import annotations

from typing import Final

SCOPE: Final = "floe.chassis"

SEND: Final = "send"
PROCESS: Final = "process"

MESSAGING_SYSTEM: Final = "messaging.system"
OPERATION_TYPE: Final = "messaging.operation.type"
OPERATION_NAME: Final = "messaging.operation.name"
DESTINATION: Final = "messaging.destination.name"
MESSAGE_ID: Final = "messaging.message.id"
CONSUMER: Final = "messaging.consumer.group.name"
CLIENT: Final = "messaging.client.id"
DELIVERIES: Final = "floe.delivery.count"
ERROR_TYPE: Final = "error.type"

SENT_MESSAGES: Final = "messaging.client.sent.messages"
CONSUMED_MESSAGES: Final = "messaging.client.consumed.messages"
PROCESS_DURATION: Final = "messaging.process.duration"
DEAD_LETTERS: Final = "floe.dead.letters"
