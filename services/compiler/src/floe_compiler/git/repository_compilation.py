"""A ref of a repository, as it is now: every product that changed is compiled, and those that are gone are retired.

The push is only a hint. What is remembered of the ref says what is new, so a repeated, late or forced push ends in the
same state. Events are stored before they are remembered, product by product: what comes again after a crash has the ids
that it had before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final, Protocol

import structlog

from floe_chassis.blobs import BlobStore
from floe_chassis.bundle_documents import COUNT_LIMIT, FILE_LIMIT, TOTAL_LIMIT
from floe_chassis.source_bundles import pack
from floe_compiler.core.git.changes import Head, Retirement, all_gone, changed, gone
from floe_compiler.core.git.errors import ProductTwice
from floe_compiler.core.git.ports import Registry, Repositories, StoredRef
from floe_compiler.core.git.products import (
    check_sizes,
    owned_elsewhere,
    pointers_refused,
    product_name,
    stand_in_name,
    twice,
    winners,
)
from floe_compiler.core.git.state import CompiledProduct
from floe_compiler.core.git.tree import SPEC_FILE, ProductFolder, check_folder, find_products
from floe_compiler.git.moved_ref import MovedRef
from floe_compiler.git.platforms import Platform, committed_platform, installed_platform
from floe_contracts.digests import short
from floe_contracts.documents.yaml_tree import MAX_BYTES
from floe_contracts.errors import FloeError, Permanent
from floe_contracts.events import ArtifactCompiled, ProductEvent, SpecSubmitted

_NO_COMMIT: Final = "0" * 40

log = structlog.get_logger(__name__)


class CompilesSubmissions(Protocol):
    """The compiler of one submission."""

    async def compile(self, submitted: SpecSubmitted, *, today: date) -> ProductEvent:
        """Compile; what is wrong with the submission becomes a rejection."""
        ...


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A folder that is to be compiled.

    Attributes:
        named: whether the name is the one that its floe.yaml says.
        platform: what it brings along, unless the installation has its own.
    """

    folder: ProductFolder
    name: str
    named: bool
    platform: Platform | None
    problems: tuple[FloeError, ...]


class RepositoryCompiler:
    """Compiles the products of refs.

    Args:
        repositories: reads Git.
        registry: remembers refs and owners.
        compiler: compiles one product.
        blobs: where bundles go.
        folder: for the files of one product at a time.
        platform_file: the platform.yaml of the installation, if it has its own.
        most_products: that a repository may have.
    """

    def __init__(
        self,
        *,
        repositories: Repositories,
        registry: Registry,
        compiler: CompilesSubmissions,
        blobs: BlobStore,
        folder: Path,
        platform_file: Path | None,
        most_products: int,
    ) -> None:
        self._repositories = repositories
        self._registry = registry
        self._compiler = compiler
        self._blobs = blobs
        self._folder = folder
        self._platform_file = platform_file
        self._most_products = most_products

    async def compile(self, moved: MovedRef) -> None:
        """Bring what floe knows of the ref up to what the ref is now.

        Raises:
            Transient: the repository, the bus or the blob store does not answer.
            RepositoryTooLarge: the repository is over a limit.
        """
        installed = None if self._platform_file is None else await installed_platform(self._platform_file)
        stored = await self._registry.ref_state(moved.tenant, moved.repository.name, moved.ref)
        # A ref that was built once is followed to its end: its products keep their names until then.
        built = installed is None or installed.builds(moved.ref)
        if not built and not stored.state.products:
            log.info("ref not built", repository=moved.repository.name, ref=moved.ref)
            return
        platform = None if installed is None else installed.digest
        oid = await self._repositories.head(moved.repository, moved.ref)
        if oid is None:
            await self._deleted(moved, stored)
        elif built and (oid, platform) != (stored.state.commit, stored.state.platform):
            await self._moved(moved, stored, platform)

    async def _deleted(self, moved: MovedRef, stored: StoredRef) -> None:
        if stored.revision == 0 or (stored.state.commit is None and not stored.state.products):
            return
        await self._retire(moved, stored, _NO_COMMIT, all_gone(stored.state))
        await self._registry.save(
            moved.tenant, stored, stored.state.model_copy(update={"commit": None, "products": ()})
        )
        log.info("ref deleted", repository=moved.repository.name, ref=moved.ref)

    async def _moved(self, moved: MovedRef, stored: StoredRef, platform: str | None) -> None:
        commit = await self._repositories.fetch(moved.repository, moved.ref)
        folders = find_products(commit.root, commit.entries, self._most_products)
        head = Head(commit.oid, platform, folders, {entry.path: entry.oid for entry in commit.entries if entry.is_file})
        before = stored.state
        candidates = await self._candidates(moved, stored, head)
        names = {folder.path: known.product for folder in head.folders if (known := before.at(folder.path))}
        names |= {candidate.folder.path: candidate.name for candidate in candidates}
        await self._retire(moved, stored, commit.oid, gone(before, set(names.values()), set(names)))

        kept = tuple(product for product in before.products if product.folder in names)
        stored = replace(stored, state=before.model_copy(update={"products": kept}))
        digests = {product.product: product.artifact_digest for product in before.products if product.owned}
        first = winners(names, before.products)
        for candidate in candidates:
            if first[candidate.name] != candidate.folder.path:
                candidate = _refused(candidate, twice(candidate.name, first[candidate.name]))
            record = await self._compile_one(moved, stored, head, candidate, digests.get(candidate.name))
            stored = await self._registry.save(moved.tenant, stored, stored.state.with_product(record))
        done = stored.state.model_copy(update={"commit": commit.oid, "platform": platform})
        await self._registry.save(moved.tenant, stored, done)
        log.info(
            "ref compiled", repository=moved.repository.name, ref=moved.ref, commit=commit.oid, compiled=len(candidates)
        )

    async def _candidates(self, moved: MovedRef, stored: StoredRef, head: Head) -> list[_Candidate]:
        folders = changed(stored.state, head)
        problems = {folder.path: check_folder(folder, COUNT_LIMIT) for folder in folders}
        wanted = {
            file.oid
            for folder in folders
            for file in folder.files
            if not problems[folder.path] or file.path == SPEC_FILE
        }
        sizes = await self._repositories.bring(moved.repository, wanted) if wanted else {}
        candidates = []
        for folder in folders:
            found = problems[folder.path] or tuple(check_sizes(folder.files, sizes, FILE_LIMIT, TOTAL_LIMIT))
            candidate = await self._candidate(moved, stored, head, folder, sizes)
            if candidate is not None:
                candidates.append(_refused(candidate, *found))
        return candidates

    async def _candidate(
        self, moved: MovedRef, stored: StoredRef, head: Head, folder: ProductFolder, sizes: Mapping[str, int]
    ) -> _Candidate | None:
        """What the folder says of itself; None if its own platform does not build the ref."""
        oid = next((file.oid for file in folder.files if file.path == SPEC_FILE), None)
        floe_yaml = None
        if oid is not None and sizes[oid] <= MAX_BYTES:
            content = (await self._repositories.read(moved.repository, [oid]))[oid]
            floe_yaml = content.decode(errors="surrogateescape")
        platform = None
        if self._platform_file is None:
            platform = await committed_platform(
                self._repositories, moved.repository, head.files, folder.path, floe_yaml
            )
            if not platform.builds(moved.ref):
                return None
        name = product_name(floe_yaml) if floe_yaml is not None else None
        known = stored.state.at(folder.path)
        stand_in = known.product if known else stand_in_name(folder.path, moved.repository.name)
        problems = (platform.problem,) if platform and platform.problem else ()
        return _Candidate(folder, name or stand_in, name is not None, platform, problems)

    async def _compile_one(
        self, moved: MovedRef, stored: StoredRef, head: Head, candidate: _Candidate, digest: str | None
    ) -> CompiledProduct:
        """Compile and announce a product; what to remember of it."""
        owned = False
        outcome: ProductEvent
        if candidate.problems:
            outcome = moved.rejection(head.commit, candidate.folder.path, candidate.name, candidate.problems)
        elif candidate.named and (owner := await self._claim(moved, candidate.name)) is not None:
            outcome = moved.rejection(head.commit, candidate.folder.path, candidate.name, [owner])
        else:
            owned = candidate.named
            outcome = await self._compile_files(moved, head, candidate)
        if isinstance(outcome, ArtifactCompiled):
            digest = outcome.artifact_digest
        result = short(outcome.artifact_digest) if isinstance(outcome, ArtifactCompiled) else "rejected"
        await moved.announce(outcome, moved.event_id(candidate.name, head.commit, stored.revision, result))
        return CompiledProduct(
            folder=candidate.folder.path,
            product=candidate.name,
            tree=candidate.folder.tree,
            platform=head.platform,
            files=_outside(candidate),
            commit=head.commit,
            artifact_digest=digest,
            rejected=not isinstance(outcome, ArtifactCompiled),
            owned=owned or await self._owns(moved, candidate),
        )

    async def _compile_files(self, moved: MovedRef, head: Head, candidate: _Candidate) -> ProductEvent:
        pointers = await self._repositories.export(moved.repository, candidate.folder.files, self._folder)
        if pointers:
            return moved.rejection(head.commit, candidate.folder.path, candidate.name, pointers_refused(pointers))
        try:
            bundle = await pack(self._folder, self._blobs)
            platform = candidate.platform
        except Permanent as refusal:
            return moved.rejection(head.commit, candidate.folder.path, candidate.name, [refusal])
        submitted = SpecSubmitted(
            tenant=moved.tenant,
            product=candidate.name,
            submission=head.commit,
            bundle=bundle,
            platform=await self._stored(platform.text) if platform and platform.text is not None else None,
            platform_parents={name: await self._stored(text) for name, text in platform.parents.items()}
            if platform
            else {},
            source=moved.source(head.commit, candidate.folder.path),
        )
        return await self._compiler.compile(submitted, today=moved.today)

    async def _stored(self, text: str) -> str:
        return await self._blobs.put(text.encode(errors="surrogateescape"))

    async def _claim(self, moved: MovedRef, product: str) -> FloeError | None:
        owner = await self._registry.claim(moved.tenant, product, moved.repository.name)
        return None if owner == moved.repository.name else owned_elsewhere(product, owner)

    async def _owns(self, moved: MovedRef, candidate: _Candidate) -> bool:
        """Whether a product that was refused is ours all the same, from an earlier commit."""
        if any(isinstance(problem, ProductTwice) for problem in candidate.problems):
            return False
        return await self._registry.owner(moved.tenant, candidate.name) == moved.repository.name

    async def _retire(self, moved: MovedRef, stored: StoredRef, commit: str, retirements: Sequence[Retirement]) -> None:
        if not retirements:
            return
        others = await self._registry.other_refs(moved.tenant, moved.repository.name, moved.ref)
        elsewhere = {product.product for state in others for product in state.products if product.owned}
        for retirement in retirements:
            product = retirement.product
            if not product.owned or product.product in elsewhere:
                continue
            if product.artifact_digest is not None:
                event = moved.retired(commit, retirement)
                await moved.announce(event, moved.event_id(product.product, commit, stored.revision, "retired"))
            await self._registry.release(moved.tenant, product.product, moved.repository.name)


def _outside(candidate: _Candidate) -> dict[str, str]:
    """The files of the platform that the folder's own object id says nothing of."""
    prefix = f"{candidate.folder.path}/" if candidate.folder.path else ""
    files = candidate.platform.files if candidate.platform else {}
    return {path: oid for path, oid in sorted(files.items()) if not path.startswith(prefix)}


def _refused(candidate: _Candidate, *problems: FloeError) -> _Candidate:
    return replace(candidate, problems=(*candidate.problems, *problems))
