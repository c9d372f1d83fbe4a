"""OpenLineage events to NATS JetStream: `transport: {type: floe_openlineage_nats.NatsTransport}`."""

from floe_openlineage_nats.config import NatsConfig
from floe_openlineage_nats.transport import NatsTransport

__all__ = ["NatsConfig", "NatsTransport"]
