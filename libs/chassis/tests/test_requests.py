"""Requests on a real bus: what is asked, how the answer comes, and what happens when one side fails."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from nats.aio.msg import Msg

from floe_chassis.answer_parts import AnswerLimits
from floe_chassis.answers import Answering, Asked
from floe_chassis.bus import Bus
from floe_chassis.errors import AskerGone, MessageTooLarge, RequestFailed, RequestRefused, TooManyRequests
from floe_chassis.nats_server import NatsServer
from floe_chassis.requests import NUMBER, PART, Progress, ask
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings
from floe_chassis.testing import eventually
from floe_contracts import subjects
from floe_contracts.errors import ContractError, FloeError, Permanent, Transient, Unreachable, Where
from floe_contracts.requests import Answer, Operation, Request

pytestmark = pytest.mark.bus


class Echo(Request):
    text: str
    dry_run: bool = False


class Echoed(Answer):
    text: str
    tenant: str = ""
    environment: str = ""
    asker: str = ""


ECHO = Operation("catalog", "echo", Echo, Echoed)
Handler = Callable[[Asked[Echo]], Awaitable[Echoed]]
Answerer = Callable[..., Awaitable[Answering]]


async def echo(asked: Asked[Echo]) -> Echoed:
    return Echoed(text=asked.request.text, tenant=asked.tenant, environment=asked.environment, asker=asked.asker)


async def ask_echo(bus: Bus, text: str = "hello", **options: object) -> Echoed:
    return await ask(bus, ECHO, Echo(text=text), tenant="acme", environment="dev", **options)  # type: ignore[arg-type]


@pytest.fixture
async def answering(bus: Bus, bus_settings: ChassisSettings) -> AsyncIterator[Answerer]:
    """Answers echoes with a handler, on a connection of the service's own."""
    started: list[tuple[Answering, Bus]] = []

    async def start(handler: Handler = echo, **limits: object) -> Answering:
        connection = Bus("catalog", bus_settings)
        await connection.connect(wait=False)
        answering = Answering(connection, "catalog", AnswerLimits(**limits))  # type: ignore[arg-type]
        answering.add(ECHO, handler)
        await answering.start()
        started.append((answering, connection))
        return answering

    yield start
    for answering, connection in started:
        await answering.stop(0.1)
        await connection.close()


async def test_the_answer_knows_tenant_and_environment_by_the_subject(bus: Bus, answering: Answerer) -> None:
    await answering()
    answer = await ask(bus, ECHO, Echo(text="é" * 10), tenant="Ac me", environment="prod.eu")
    assert answer == Echoed(text="é" * 10, tenant="Ac me", environment="prod.eu", asker="test")


async def test_one_of_several_instances_answers(bus: Bus, answering: Answerer) -> None:
    answered = []

    async def count(asked: Asked[Echo]) -> Echoed:
        answered.append(asked.request.text)
        return await echo(asked)

    for _ in range(3):
        await answering(count)
    texts = [f"{number}" for number in range(20)]
    assert [answer.text for answer in await asyncio.gather(*(ask_echo(bus, text) for text in texts))] == texts
    assert sorted(answered) == sorted(texts)


async def test_nobody_there_is_said_at_once_with_the_way_to_start_one(bus: Bus) -> None:
    started = time.monotonic()
    with pytest.raises(Unreachable, match="no catalog service listens") as caught:
        await ask_echo(bus)
    assert time.monotonic() - started < 5
    assert "floe serve catalog" in (caught.value.hint or "")


async def test_an_answer_beyond_one_message_comes_whole(bus: Bus, answering: Answerer) -> None:
    text = "0123456789" * 500_000

    async def long(asked: Asked[Echo]) -> Echoed:
        return Echoed(text=text)

    await answering(long)
    assert len(text) > bus.size_limit()
    assert (await ask_echo(bus)).text == text


async def test_data_comes_in_order_however_slowly_it_is_read(bus: Bus, answering: Answerer) -> None:
    """The service stays a few pieces ahead of its reader; a server holds no more of it than that."""
    pieces = [bytes([number]) * 1000 for number in range(100)]
    sent: list[int] = []
    read: list[bytes] = []
    ahead: list[int] = []

    async def stream(asked: Asked[Echo]) -> Echoed:
        for piece in pieces:
            await asked.data(piece)
            sent.append(len(sent))
        return await echo(asked)

    async def slow(data: bytes) -> None:
        await asyncio.sleep(0.002)
        ahead.append(len(sent) - len(read))
        read.append(data)

    await answering(stream, pieces_ahead=4)
    assert (await ask_echo(bus, on_data=slow)).text == "hello"
    assert read == pieces
    assert max(ahead) <= 5


async def test_data_larger_than_a_message_is_cut_and_joined(bus: Bus, answering: Answerer) -> None:
    data = bytes(range(256)) * 20_000
    read = bytearray()

    async def stream(asked: Asked[Echo]) -> Echoed:
        await asked.data(data)
        return await echo(asked)

    await answering(stream, piece_bytes=1 << 30)
    await ask_echo(bus, on_data=read.extend)
    assert bytes(read) == data


async def test_a_reader_that_takes_long_over_a_piece_stays_known(
    bus: Bus, answering: Answerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("floe_chassis.requests._READER_BEAT_SECONDS", 0.05)
    read = []

    async def stream(asked: Asked[Echo]) -> Echoed:
        for _ in range(3):
            await asked.data(b"x")
        return await echo(asked)

    async def slow(data: bytes) -> None:
        await asyncio.sleep(0 if read else 2.5)
        read.append(data)

    await answering(stream, pieces_ahead=1, asker_silence=1.5)
    assert (await ask_echo(bus, on_data=slow)).text == "hello"
    assert read == [b"x"] * 3


@pytest.mark.parametrize("leaves", ["fails", "silent"])
async def test_a_reader_that_is_gone_ends_the_work(bus: Bus, answering: Answerer, leaves: str) -> None:
    ended = asyncio.Event()
    reasons: list[str] = []

    async def stream(asked: Asked[Echo]) -> Echoed:
        try:
            while True:
                await asked.data(b"x" * 1000)
        except AskerGone as error:
            reasons.append(error.message)
            ended.set()
            raise

    def failing(_: bytes) -> None:
        raise ValueError("no room on the disk")

    await answering(stream, pieces_ahead=2, asker_silence=0.3 if leaves == "silent" else 20.0)
    if leaves == "fails":
        with pytest.raises(ValueError, match="no room"):
            await ask_echo(bus, on_data=failing)
    else:
        reply = subjects.answer("catalog", "test", "t1")
        await bus.nc.publish(ECHO.subject("acme", "dev"), b'{"text": "x"}', reply=reply)
    await asyncio.wait_for(ended.wait(), 20)
    assert reasons == ["the asker has gone away" if leaves == "fails" else "the asker has not been heard of for 0.3 s"]


async def test_progress_of_a_thread_comes_while_the_work_lasts(bus: Bus, answering: Answerer) -> None:
    seen: list[Progress] = []
    go_on = threading.Event()

    async def work(asked: Asked[Echo]) -> Echoed:
        def working() -> None:
            asked.progress(3, 10, "files")
            go_on.wait(10)

        await asyncio.to_thread(working)
        return await echo(asked)

    def told(progress: Progress) -> None:
        seen.append(progress)
        go_on.set()

    await answering(work, beat_seconds=0.1)
    await ask_echo(bus, on_progress=told)
    assert seen == [Progress(done=3, total=10, what="files")]


async def test_work_may_last_longer_than_silence_is_borne(bus: Bus, answering: Answerer) -> None:
    async def work(asked: Asked[Echo]) -> Echoed:
        await asyncio.sleep(3)
        return await echo(asked)

    await answering(work, beat_seconds=0.1)
    assert (await ask_echo(bus, silence=2)).text == "hello"


class Full(Permanent):
    code = "FLOE-CORE-901"


class Busy(Transient):
    code = "FLOE-CORE-902"


@pytest.mark.parametrize("error", [Full, Busy], ids=["permanent", "transient"])
async def test_what_the_service_says_of_a_failure_arrives_whole(
    bus: Bus, answering: Answerer, error: type[FloeError]
) -> None:
    async def fail(asked: Asked[Echo]) -> Echoed:
        raise error("the shelf is taken", where=Where(file="floe.yaml", line=3, path="a.b"), hint="take another")

    await answering(fail)
    with pytest.raises(RequestRefused if error is Full else RequestFailed, match="the shelf is taken") as caught:
        await ask_echo(bus)
    problem = caught.value.problem
    assert (problem.code, problem.hint, problem.line, problem.path) == (error.code, "take another", 3, "a.b")
    assert problem.transient is (error is Busy)
    assert str(caught.value.where) == "floe.yaml:3 (a.b)"


async def test_a_defect_of_the_service_is_told_without_its_insides(bus: Bus, answering: Answerer) -> None:
    async def fail(asked: Asked[Echo]) -> Echoed:
        raise KeyError("gone")

    await answering(fail)
    with pytest.raises(RequestRefused, match="KeyError: 'gone'") as caught:
        await ask_echo(bus)
    assert caught.value.problem.code == FloeError.code


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"{}", "text: Field required"),
        (b"[]", "the request: Input should be"),
        (b'{"text": "x", "version": "2.0"}', "version: String should match"),
        (b'{"text": "x", "keep_last": 3}', "keep_last: Extra inputs are not permitted"),
    ],
    ids=["half", "no-text", "empty", "list", "another-major", "unknown-field"],
)
async def test_rubbish_is_refused_and_never_reaches_the_handler(
    bus: Bus, answering: Answerer, body: bytes, said: str
) -> None:
    """Also a field that only newer versions know: whatever it asks for, leaving it out is not that."""
    handled: list[object] = []

    async def handle(asked: Asked[Echo]) -> Echoed:
        handled.append(asked.request)
        return await echo(asked)

    await answering(handle)
    problem = await _raw_problem(bus, ECHO.subject("acme", "dev"), body)
    assert said in problem["message"]
    assert problem["code"] == ContractError.code
    assert ("older" in (problem["hint"] or "")) == ("keep_last" in said)
    assert handled == []


async def test_a_forged_subject_is_refused(bus: Bus, answering: Answerer) -> None:
    await answering()
    problem = await _raw_problem(bus, "floe.v1.request.catalog.echo._zz.dev", b'{"text": "x"}')
    assert "is not a token" in problem["message"]


async def test_nothing_is_published_where_an_asker_merely_wishes(bus: Bus, answering: Answerer) -> None:
    """The reply subject is the asker's word: it must not make the service publish an event."""
    await answering()
    heard: list[Msg] = []
    wished = ["floe.v1.table.committed.a.b.c.d", "floe.v1.answer.lineage.test.t", "_INBOX_other.x", ""]

    async def hear(message: Msg) -> None:
        heard.append(message)

    for subject in filter(None, wished):
        await bus.nc.subscribe(subject, cb=hear)
    for subject in wished:
        await bus.nc.publish(ECHO.subject("acme", "dev"), b'{"text": "x"}', reply=subject)
    assert (await ask_echo(bus)).text == "hello"
    assert heard == []


async def test_more_requests_than_it_takes_on_are_refused_and_the_others_wait(bus: Bus, answering: Answerer) -> None:
    go_on = asyncio.Event()
    at_once = [0, 0]

    async def work(asked: Asked[Echo]) -> Echoed:
        at_once[0] += 1
        at_once[1] = max(at_once)
        await go_on.wait()
        at_once[0] -= 1
        return await echo(asked)

    await answering(work, at_once=2, waiting=3)
    asking = [asyncio.create_task(ask_echo(bus, str(number))) for number in range(6)]
    first = next(asyncio.as_completed(asking))
    with pytest.raises(RequestFailed) as caught:
        await first
    assert caught.value.problem.code == TooManyRequests.code
    go_on.set()
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert sum(isinstance(result, Echoed) for result in results) == 5
    assert at_once[1] == 2


async def test_a_request_over_the_limit_of_the_server_is_not_sent(bus: Bus, answering: Answerer) -> None:
    await answering()
    with pytest.raises(MessageTooLarge):
        await ask_echo(bus, "x" * bus.size_limit())
    assert (await ask_echo(bus)).text == "hello"


async def test_a_lost_part_is_noticed(bus: Bus) -> None:
    async def answer(message: Msg) -> None:
        for number in ("1", "3"):
            await bus.nc.publish(message.reply, b"x", headers={PART: "data", NUMBER: number})

    await bus.nc.subscribe(ECHO.subject("acme", "dev"), cb=answer)
    with pytest.raises(Unreachable, match="were lost"):
        await ask_echo(bus, on_data=lambda _: None)


@pytest.mark.parametrize("body", [b"{", b"[1]"], ids=["half", "list"])
async def test_an_answer_that_is_none_is_said_to_be_none(bus: Bus, body: bytes) -> None:
    async def answer(message: Msg) -> None:
        await bus.nc.publish(message.reply, b"new", headers={PART: "of-a-newer-version", NUMBER: "1"})
        await bus.nc.publish(message.reply, body, headers={PART: "answer", NUMBER: "2"})

    await bus.nc.subscribe(ECHO.subject("acme", "dev"), cb=answer)
    with pytest.raises(ContractError):
        await ask_echo(bus)


async def test_a_service_that_stops_says_so_to_whoever_waits(bus: Bus, bus_settings: ChassisSettings) -> None:
    started, cut_off = asyncio.Event(), asyncio.Event()

    async def work(asked: Asked[Echo]) -> Echoed:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cut_off.set()
            raise
        return await echo(asked)

    service = Service("catalog", bus_settings.model_copy(update={"shutdown_grace": 1.0}))
    service.answer(ECHO, work)
    await service.start()
    asking = asyncio.create_task(ask_echo(bus))
    await asyncio.wait_for(started.wait(), 20)
    await service.stop()
    with pytest.raises(RequestFailed, match="was stopped before it had answered") as caught:
        await asking
    assert caught.value.problem.code == Unreachable.code
    assert cut_off.is_set()
    with pytest.raises(Unreachable, match="listens"):
        await ask_echo(bus)


async def test_what_is_nearly_done_is_answered_while_the_service_stops(bus: Bus, bus_settings: ChassisSettings) -> None:
    started = asyncio.Event()

    async def work(asked: Asked[Echo]) -> Echoed:
        started.set()
        await asyncio.sleep(0.3)
        return await echo(asked)

    service = Service("catalog", bus_settings)
    service.answer(ECHO, work)
    await service.start()
    asking = asyncio.create_task(ask_echo(bus))
    await asyncio.wait_for(started.wait(), 20)
    await service.stop()
    assert (await asking).text == "hello"


PROGRAM = """
import asyncio, sys
from floe_chassis.answers import Answering
from floe_chassis.bus import Bus
from floe_chassis.settings import ChassisSettings
from floe_contracts.requests import Answer, Operation, Request

class Echo(Request):
    text: str
    dry_run: bool = False

async def work(asked):
    print("asked", flush=True)
    await asyncio.sleep(60)

async def main():
    bus = Bus("catalog", ChassisSettings(nats_url=sys.argv[1]))
    await bus.connect()
    answering = Answering(bus, "catalog")
    answering.add(Operation("catalog", "echo", Echo, Answer), work)
    await answering.start()
    print("listening", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.fault
async def test_a_service_that_is_killed_in_the_middle_is_noticed_by_its_silence(
    bus: Bus, bus_settings: ChassisSettings, tmp_path: Path
) -> None:
    program = tmp_path / "service.py"
    program.write_text(PROGRAM)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(program), bus_settings.nats_url, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"listening\n"
    asking = asyncio.create_task(ask_echo(bus, silence=3.0))
    assert await process.stdout.readline() == b"asked\n"
    process.kill()
    await process.wait()
    with pytest.raises(Unreachable, match="not been heard of for 3 s") as caught:
        await asking
    assert "not known" in (caught.value.hint or "")


async def test_after_a_restart_of_the_server_it_answers_again(
    own_server: NatsServer, own_bus: Bus, own_settings: ChassisSettings
) -> None:
    service = Service("catalog", own_settings)
    service.answer(ECHO, echo)
    await service.start()
    assert set((await service.readiness()).values()) == {"ok"}
    own_server.kill()
    await eventually(lambda: not own_bus.connected)
    with pytest.raises(Unreachable):
        await ask_echo(own_bus)
    own_server.start()
    await eventually(lambda: own_bus.connected and service.bus.connected, 20)

    async def answered() -> bool:
        with contextlib.suppress(Unreachable):  # the server may know its asker again before its answerer
            return (await ask_echo(own_bus)).text == "hello"
        return False

    assert await eventually(answered)
    await service.stop()


async def _raw_problem(bus: Bus, subject: str, body: bytes) -> dict[str, str]:
    reply = subjects.answer("catalog", "test", "token")
    subscription = await bus.nc.subscribe(reply)
    await bus.nc.publish(subject, body, reply=reply)
    message = await subscription.next_msg(timeout=20)
    assert message.headers[PART] == "problem"
    problem: dict[str, str] = json.loads(message.data)
    return problem
