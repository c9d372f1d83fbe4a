"""Whether a run is at work, by the lease that it holds."""

from __future__ import annotations

from nats.errors import Error as NatsError
from nats.js.errors import KeyNotFoundError

from floe_chassis.bus import Bus
from floe_chassis.leases import lease_key
from floe_chassis.topology import LEASES_BUCKET
from floe_contracts.errors import Unreachable
from floe_contracts.openlineage.naming import Place


async def is_running(bus: Bus, place: Place) -> bool:
    """Whether a run of a place is being built or landed now.

    Raises:
        Unreachable: the bus does not answer.
    """
    bucket = await bus.key_value(LEASES_BUCKET)
    try:
        await bucket.get(lease_key(place.tenant, place.environment, place.product))
    except KeyNotFoundError:
        return False
    except (NatsError, OSError, TimeoutError) as error:
        raise Unreachable(f"whether a run of {place} is at work cannot be asked for: {error}") from error
    return True
