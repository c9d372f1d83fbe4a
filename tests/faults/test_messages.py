"""Messages that come twice, and messages that nobody can handle."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from floe_chassis import topology
from floe_chassis.bus import Bus
from floe_chassis.dead_letters import DeadLetter, read_dead_letter
from floe_contracts import subjects
from floe_contracts.cloudevents import MESSAGE_ID, Attributes, encode
from floe_contracts.events import ProductEvent, RunRequested, SpecSubmitted
from floe_contracts.subjects import EventKind

from .conftest import Publish
from .facts import ENVIRONMENT, TENANT, Facts, until
from .products import QUICK, TABLES

Spoil = Callable[[dict[str, str], bytes], tuple[dict[str, str], bytes]]
NO_DIGEST: Final = "sha256:" + "0" * 64


async def _repeat(bus: Bus, facts: Facts, stream: str, pattern: str) -> None:
    """Publish the last message of a subject again, as a sender does after the stream has forgotten its id."""
    last = (await facts.stored(stream, pattern))[-1]
    headers = {name: value for name, value in last.headers.items() if name != MESSAGE_ID}
    await bus.js.publish(last.subject, last.body, headers=headers)


async def test_a_request_that_comes_again_is_one_run(bus: Bus, facts: Facts, compiled: Publish) -> None:
    digest = await compiled(QUICK)
    requests = subjects.pattern(EventKind.RUN_REQUESTED, product=QUICK)
    before = len(await facts.stored(topology.RUNS, requests))
    run = await facts.request(QUICK, digest, "asked-twice")
    assert await facts.request(QUICK, digest, "asked-twice") == run
    await _repeat(bus, facts, topology.RUNS, requests)
    await facts.settled(QUICK, run)
    await _repeat(bus, facts, topology.RUNS, requests)
    assert len(await facts.stored(topology.RUNS, requests)) == before + 3
    await facts.assert_ended_once(QUICK, run, TABLES)
    for kind in (EventKind.RUN_QUEUED, EventKind.RUN_STARTED, EventKind.RUN_COMPLETED):
        assert len(await facts.events(kind, QUICK, run)) == 1, kind


async def test_a_submission_that_comes_again_is_compiled_once(
    bus: Bus, facts: Facts, compiled: Publish, publish: Publish
) -> None:
    product = "submitted-twice"
    await compiled(product)
    await publish(product, "first")
    await _repeat(bus, facts, topology.SPECS, subjects.pattern(EventKind.SPEC_SUBMITTED, product=product))
    assert len(await facts.events(EventKind.SPEC_SUBMITTED, product)) == 2
    await facts.quiet()
    assert len(await facts.events(EventKind.ARTIFACT_COMPILED, product)) == 1


def _rubbish(headers: dict[str, str], _: bytes) -> tuple[dict[str, str], bytes]:
    return headers, b"{rubbish"


def _unknown_major(headers: dict[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
    return headers | {"ce-type": headers["ce-type"].replace(".v1", ".v9")}, body


def _wrong_type(headers: dict[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
    return headers | {"ce-type": "dev.floe.table.committed.v1"}, body


_SPOILT: Final[dict[Spoil, str]] = {
    _rubbish: "not JSON",
    _unknown_major: "the major 'v9'",
    _wrong_type: "came on the subject of",
}


async def _poison(bus: Bus, facts: Facts, event: ProductEvent, stream: str, consumer: str) -> None:
    """Publish the event in all the ways that nobody can read; each becomes a dead letter with its reason."""
    attributes = Attributes(id=f"{event.product}:bad", source="faults", time=datetime.now(UTC))
    sent = {}
    for spoil, reason in _SPOILT.items():
        headers, body = spoil(*encode(event, attributes))
        headers.pop(MESSAGE_ID)
        sent[(await bus.js.publish(event.subject(), body, headers=headers)).seq] = (reason, body)

    async def letters() -> dict[int, DeadLetter]:
        found = await facts.stored(topology.DLQ, subjects.dead_letter(stream, consumer))
        read = [read_dead_letter(message.headers, message.body) for message in found]
        mine = {letter.sequence: letter for letter in read if letter.sequence in sent}
        assert mine.keys() == sent.keys()
        return mine

    for sequence, letter in (await until(letters)).items():
        reason, body = sent[sequence]
        assert reason in letter.reason
        assert (letter.code, letter.deliveries) == ("FLOE-BUS-001", 1)
        assert (letter.subject, letter.body) == (event.subject(), body)


async def test_poison_becomes_dead_letters_and_the_next_submission_is_compiled(
    bus: Bus, facts: Facts, compiled: Publish
) -> None:
    product = "poisoned"
    submitted = SpecSubmitted(tenant=TENANT, product=product, submission="bad", bundle=NO_DIGEST)
    await _poison(bus, facts, submitted, topology.SPECS, topology.COMPILER)
    await compiled(product)
    await facts.quiet()


async def test_poison_becomes_dead_letters_and_the_next_request_is_run(
    bus: Bus, facts: Facts, compiled: Publish
) -> None:
    digest = await compiled(QUICK)
    asked = RunRequested(
        tenant=TENANT,
        product=QUICK,
        environment=ENVIRONMENT,
        artifact_digest=digest,
        requester="faults",
        reason="a test",
    )
    await _poison(bus, facts, asked, topology.RUNS, topology.EXECUTOR)
    run = await facts.request(QUICK, digest, "after-poison")
    await facts.assert_ended_once(QUICK, run, TABLES)
