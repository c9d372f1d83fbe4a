"""Taking a submission in: receive, unpack, read, store, announce."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from floe_contracts.events import submission_event_id
from floe_gateway.adapters.spec_files import read_documents
from floe_gateway.adapters.tar_files import unpack
from floe_gateway.adapters.upload import Upload
from floe_gateway.core.archive_rules import DEFAULT_LIMITS, Limits
from floe_gateway.core.ports import Announcer, SourceStore
from floe_gateway.core.submission import Accepted, Submission, spec_submitted
from floe_gateway.errors import RequestTooSlow, WorkspaceFailed


@dataclass(frozen=True, slots=True)
class Intake:
    """What a submission needs on its way."""

    tenant: str
    store: SourceStore
    announcer: Announcer
    room: asyncio.Semaphore
    """How many submissions are unpacked at the same time."""
    platform_fixed: bool = False
    upload_seconds: float = 60.0
    limits: Limits = DEFAULT_LIMITS


async def take_in(intake: Intake, submission: Submission, body: AsyncIterator[bytes]) -> Accepted:
    """Take one submission in; returns when its event is stored.

    Raises:
        FloeError: what is wrong with the submission, or what is not there.
    """
    try:
        with tempfile.TemporaryFile(prefix="floe-") as archive:
            await _receive(body, archive, intake)
            async with intake.room, _temporary_folder() as folder:
                await asyncio.to_thread(unpack, archive, folder, intake.limits)
                documents = await asyncio.to_thread(read_documents, folder, with_platform=not intake.platform_fixed)
                bundle = await intake.store.pack(folder)
                platform = None if documents.platform is None else await intake.store.put(documents.platform)
                parents = {name: await intake.store.put(text) for name, text in documents.platform_parents.items()}
    except OSError as error:
        raise WorkspaceFailed(f"the files of the submission cannot be written: {error}") from error
    event = spec_submitted(
        submission,
        tenant=intake.tenant,
        product=documents.product,
        bundle=bundle,
        platform=platform,
        platform_parents=parents,
    )
    identity = submission_event_id(event)
    duplicate = await intake.announcer.announce(event, identity)
    return Accepted(
        submission=submission.id, product=documents.product, bundle=bundle, id=identity, duplicate=duplicate
    )


async def _receive(body: AsyncIterator[bytes], archive: BinaryIO, intake: Intake) -> None:
    upload = Upload(archive, intake.limits)
    try:
        async with asyncio.timeout(intake.upload_seconds):
            async for chunk in body:
                await asyncio.to_thread(upload.feed, chunk)
    except TimeoutError as error:
        raise RequestTooSlow(f"the body did not arrive within {intake.upload_seconds:g} s") from error
    await asyncio.to_thread(upload.finish)


@asynccontextmanager
async def _temporary_folder() -> AsyncIterator[Path]:
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="floe-"))
    try:
        yield folder
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
