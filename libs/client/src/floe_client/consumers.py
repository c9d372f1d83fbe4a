"""The consumer that a reader reads: whose it is, what it reads, and where it stands. Speaks JetStream's own JSON."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError

from floe_client.errors import ConsumerGone, ConsumerUnsuitable, NotAllowed
from floe_contracts.errors import Unreachable

STREAM: Final = "FLOE_LINEAGE"
IN_FLIGHT: Final = 256
"""Events that are handed out and not acknowledged: at most so many come again after a crash."""
_MISSING: Final = frozenset({10014, 10059})
_ANSWER_SECONDS: Final = 5.0
_RIGHTS: Final = "is the subscriber's name right, and the seed that of this subscriber?"
_INBOX: Final = "floe's services read otherwise: be the operator here, or a subscriber with an account of its own"
_NANOSECONDS: Final = 1_000_000_000
_ACK_WAIT_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Consumer:
    """A consumer of the lineage stream.

    Attributes:
        api: prefix of JetStream's API in the account of the reader.
        name: of the consumer.
        hint: what to do if it is not there.
    """

    api: str
    name: str
    hint: str

    def call(self, verb: str) -> str:
        """The subject of a call of the API that is about this consumer."""
        return f"{self.api}.CONSUMER.{verb}.{STREAM}.{self.name}"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a consumer is, and where it stands.

    Attributes:
        filter: the subjects that it reads.
        in_flight: the most that it hands out without an acknowledgement.
        ack_wait: seconds after which it hands an event out again.
        untouched: nothing was handed out since it was made. One that was set back to the beginning looks the same.
        unacknowledged: nothing was acknowledged since it was made or set back.
        floor: the number up to which nothing comes again.
    """

    filter: str
    in_flight: int
    ack_wait: float
    untouched: bool
    unacknowledged: bool
    floor: int


class Asking:
    """Calls of JetStream's API on one connection.

    Args:
        client: connected.
        refusals: what the server has refused to this connection, as its client tells.
    """

    def __init__(self, client: Client, refusals: Collection[str]) -> None:
        self._client = client
        self._refusals = refusals

    async def answer(self, subject: str, body: Mapping[str, Any] | None = None) -> Msg:
        """The answer to a call.

        Raises:
            NotAllowed: the server refuses it to this identity.
            Unreachable: nobody answers.
        """
        content = b"" if body is None else json.dumps(body).encode()
        try:
            return await self._client.request(subject, content, timeout=_ANSWER_SECONDS)
        except NoRespondersError as error:
            raise Unreachable(f"nobody answers {subject}", hint="is JetStream enabled on this bus?") from error
        except (NatsError, OSError, TimeoutError) as error:
            # A refusal is a mere silence to whoever asks; it comes as an error of the connection.
            if self._refused(f'"{subject}"'):
                raise NotAllowed(f"the bus does not let this identity ask {subject}", hint=_RIGHTS) from error
            if self._refused(f'subscription to "{self._client.new_inbox().rpartition(".")[0]}.'):
                raise NotAllowed(
                    f"the bus does not let this identity have the answer to {subject}", hint=_INBOX
                ) from error
            raise Unreachable(f"the bus does not answer {subject}: {error or type(error).__name__}") from error

    def _refused(self, words: str) -> bool:
        return any(words.lower() in refusal.lower() for refusal in self._refusals)

    async def document(self, subject: str, body: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """The answer as JSON; None if there is no such consumer or stream. Raises what `answer` raises."""
        found: dict[str, Any] = json.loads((await self.answer(subject, body)).data)
        problem = found.get("error")
        if problem is None:
            return found
        if problem.get("err_code") in _MISSING:
            return None
        raise Unreachable(f"{subject}: {problem.get('description')}")


async def standing(asking: Asking, consumer: Consumer) -> Standing:
    """Where the consumer stands.

    Raises:
        ConsumerGone: there is none.
        ConsumerUnsuitable: it is not one that a reader can pull from and acknowledge.
        NotAllowed, Unreachable: as `Asking.answer` does.
    """
    told = await asking.document(consumer.call("INFO"))
    if told is None:
        raise ConsumerGone(f"the stream {STREAM} has no consumer {consumer.name!r}", hint=consumer.hint)
    return read_standing(told)


def read_standing(told: Mapping[str, Any]) -> Standing:
    """Read what the server tells of a consumer.

    Raises:
        ConsumerUnsuitable: it is not one that a reader can pull from and acknowledge.
    """
    config, delivered, floor = told["config"], told["delivered"], told["ack_floor"]
    filters = config.get("filter_subjects") or [config.get("filter_subject") or ">"]
    if config.get("ack_policy") != "explicit" or config.get("deliver_subject") or len(filters) != 1:
        raise ConsumerUnsuitable(
            f"the consumer {told['name']!r} is of another kind", hint="choose another name, or delete that consumer"
        )
    allowed = config.get("max_ack_pending") or IN_FLIGHT
    return Standing(
        filter=filters[0],
        in_flight=min(allowed, IN_FLIGHT) if allowed > 0 else IN_FLIGHT,
        ack_wait=config["ack_wait"] / _NANOSECONDS,
        untouched=not (delivered["stream_seq"] or floor["stream_seq"]),
        unacknowledged=not floor["consumer_seq"],
        floor=floor["stream_seq"],
    )


async def create(asking: Asking, consumer: Consumer, pattern: str, start: Mapping[str, Any]) -> None:
    """Make a durable consumer; one that is there already stays as it is.

    Args:
        asking: with the right to make consumers.
        consumer: which.
        pattern: the subjects that it reads.
        start: where it begins, in the API's terms.
    """
    config = {
        "durable_name": consumer.name,
        "name": consumer.name,
        "ack_policy": "explicit",
        "ack_wait": _ACK_WAIT_SECONDS * _NANOSECONDS,
        "max_ack_pending": IN_FLIGHT,
        "filter_subject": pattern,
        **start,
    }
    request = {"stream_name": STREAM, "config": config, "action": "create"}
    if await asking.document(f"{consumer.call('CREATE')}.{pattern}", request) is None:
        raise ConsumerGone(f"there is no stream {STREAM}", hint="run floe topology apply")


def written_time(moment: datetime) -> str:
    """A time as JetStream's API writes it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
