"""From the documents of a platform, each below the other, to the one that holds (ADR 0015).

A document is merged onto its parent, and that onto its own: maps by key, everything else whole. What a document above
forbids is checked before anything is merged; of governance the stricter rule wins, wherever it stands.
"""

from __future__ import annotations

import contextlib
import itertools
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from floe_contracts.digests import canonical_json, digest_of
from floe_contracts.documents.field_problems import validate_tree
from floe_contracts.documents.placed import Part, Placed
from floe_contracts.documents.reading import read_platform_tree, validate_platform
from floe_contracts.documents.yaml_tree import Path
from floe_contracts.errors import DocumentInvalid, FloeError, Where
from floe_contracts.platform.errors import ParentCycle, ParentMissing, ScopeWrong, TooManyParents
from floe_contracts.platform.forbidden import Forbidden, set_in_spite, unknown_fields
from floe_contracts.platform.inheritance import SCOPES, Inheritance, Parent, Scope
from floe_contracts.platform.merged_governance import merge_governance
from floe_contracts.platform.merged_policies import merge_policies
from floe_contracts.platform.merging import MergedTree, merge_trees
from floe_contracts.platform_spec import PlatformMetadata, PlatformSpec
from floe_contracts.sections import Section

MAX_DOCUMENTS: Final = 5
OWN_FIELDS: Final = ("apiVersion", "kind", "metadata", "scope", "parent", "inheritance")
"""What a document says of itself alone; nothing of it is inherited."""
_SCOPED_FIELDS: Final[Mapping[str, Scope]] = {
    "approvedPlugins": "enterprise",
    "approvedSinks": "enterprise",
    "approvedProducts": "domain",
}
"""Fields that only a document of this scope may have, or one that stands alone."""


class DocumentHeader(Section):
    """What a platform document says of itself."""

    api_version: Literal["floe.dev/v1"]
    kind: Literal["PlatformSpec"]
    metadata: PlatformMetadata
    scope: Scope | None = None
    parent: Parent | None = None
    inheritance: Inheritance = Inheritance()


@dataclass(frozen=True, slots=True)
class PlatformDocument:
    """One of the documents of a platform.

    Attributes:
        name: its file, from the folder of the first document.
        text: what it says.
        tree: its values and their places.
        header: what it says of itself.
        forbids: the fields that documents below may not set.
    """

    name: str
    text: str = field(repr=False)
    tree: Placed = field(repr=False)
    header: DocumentHeader
    forbids: tuple[Forbidden, ...]

    @property
    def digest(self) -> str:
        """Digest of its text."""
        return digest_of(self.text.encode("utf-8", "surrogateescape"))


@dataclass(frozen=True, slots=True)
class ResolvedPlatform:
    """A platform with everything that it inherits.

    Attributes:
        spec: what holds.
        documents: the document itself, its parent, and so on.
        tree: the values, and where each of them was written.
    """

    spec: PlatformSpec
    documents: tuple[PlatformDocument, ...]
    tree: MergedTree = field(repr=False)

    @property
    def sources(self) -> Mapping[Path, Where]:
        """Where each value that holds was written."""
        return self.tree.sources

    @property
    def files(self) -> tuple[tuple[str, str], ...]:
        """The name and the digest of each document, the document itself first."""
        return tuple((document.name, document.digest) for document in self.documents)

    @property
    def digest(self) -> str:
        """Of one document its own; of several that of the list of theirs, in canonical JSON, from the first on up."""
        digests = [document.digest for document in self.documents]
        return digests[0] if len(digests) == 1 else digest_of(canonical_json(digests))

    def where(self, path: Path) -> Where:
        """The place of `path`, or of the nearest part above it that was written."""
        return self.tree.where(path)


def resolve_platform(text: str, file: str, read_parent: Callable[[str], str]) -> ResolvedPlatform:
    """The platform of a document and those above it.

    Args:
        text: the document.
        file: its name, for messages.
        read_parent: the text of a parent by its name, which is a path from the folder of `file`; raises an `OSError`
            or a `LookupError` where there is none.

    Raises:
        DocumentInvalid: with all problems, each at the place where the value stands.
    """
    documents = tuple(_chain(text, file, read_parent))
    problems = [*_scope_problems(documents), *_forbidden_problems(documents)]
    if problems:
        raise DocumentInvalid(problems)
    widest_first = [document.tree for document in reversed(documents)]
    tree = merge_policies(merge_trees(widest_first, OWN_FIELDS), widest_first)
    tree = merge_governance(tree, widest_first)
    tree = _with_forbidden(tree, documents)
    return ResolvedPlatform(validate_platform(tree), documents, tree)


def parent_texts(text: str, file: str, read_parent: Callable[[str], str]) -> dict[str, str]:
    """The texts of the documents above one, by name, as far as they can be read; what is wrong is told by resolving."""
    found: dict[str, str] = {}

    def remembered(name: str) -> str:
        found[name] = read_parent(name)
        return found[name]

    with contextlib.suppress(DocumentInvalid):
        for _ in _chain(text, file, remembered):
            pass
    return found


def _chain(text: str, file: str, read_parent: Callable[[str], str]) -> Iterator[PlatformDocument]:
    """The document, its parent, and so on."""
    folder, name = posixpath.split(file)
    seen: list[str] = []
    while True:
        shown = posixpath.normpath(posixpath.join(folder, name)) if seen else file
        document = _document(name, text, read_platform_tree(text, shown, whole=not seen), whole=not seen)
        yield document
        seen.append(posixpath.normpath(name))
        parent = document.header.parent
        if parent is None:
            return
        name = posixpath.normpath(posixpath.join(posixpath.dirname(name), parent.file))
        where = document.tree.where(("parent", "file"))
        if name in seen:
            names = " -> ".join([*seen, name])
            raise DocumentInvalid([ParentCycle(f"the documents name each other as parents: {names}", where=where)])
        if len(seen) == MAX_DOCUMENTS:
            message = f"there are more than {MAX_DOCUMENTS} documents below each other"
            raise DocumentInvalid([TooManyParents(message, where=where)])
        text = _parent_text(name, where, read_parent)


def _parent_text(name: str, where: Where, read_parent: Callable[[str], str]) -> str:
    try:
        return read_parent(name)
    except (OSError, LookupError):
        hint = "the path starts at the folder of the document that names it"
        raise DocumentInvalid([ParentMissing(f"there is no {name}", where=where, hint=hint)]) from None


def _document(name: str, text: str, tree: Placed, *, whole: bool) -> PlatformDocument:
    own = {key: value for key, value in tree.value.items() if key in OWN_FIELDS}
    try:
        header = validate_tree(DocumentHeader, Part(tree, own))
    except DocumentInvalid:
        if whole and own.get("parent") is None:
            validate_platform(tree)  # tells these problems and all others
        raise
    forbids = tuple(
        Forbidden(pattern, tree.where(("inheritance", "forbid", index)))
        for index, pattern in enumerate(header.inheritance.forbid)
    )
    return PlatformDocument(name, text, tree, header, forbids)


def _scope_problems(documents: Sequence[PlatformDocument]) -> Iterator[FloeError]:
    for document in documents:
        scope = document.header.scope
        for name, only in _SCOPED_FIELDS.items():
            if name in document.tree.value and scope not in (None, only):
                yield ScopeWrong(
                    f"{name} may stand only in a document of scope {only}, or in one that stands alone",
                    where=document.tree.where((name,)),
                    hint=f"this document is of scope {scope}",
                )
    for lower, upper in itertools.pairwise(documents):
        yield from _order_problems(lower, upper)


def _order_problems(lower: PlatformDocument, upper: PlatformDocument) -> Iterator[FloeError]:
    """A parent is wider than its child, so both have to say how wide they are."""
    widths = "enterprise, domain, product, from the widest to the narrowest"
    for document, part in ((lower, "has"), (upper, "is")):
        if document.header.scope is None:
            message = f"a document that {part} a parent needs a scope"
            yield ScopeWrong(message, where=document.tree.where(("scope",)), hint=f"scopes are {widths}")
    one, other = lower.header.scope, upper.header.scope
    if one and other and SCOPES.index(other) >= SCOPES.index(one):
        message = f"a document of scope {one} cannot have a parent of scope {other}"
        yield ScopeWrong(message, where=lower.tree.where(("parent", "file")), hint=f"scopes are {widths}")


def _forbidden_problems(documents: Sequence[PlatformDocument]) -> Iterator[FloeError]:
    unknown = [problem for one in documents for problem in unknown_fields(PlatformSpec, one.forbids, OWN_FIELDS)]
    if unknown:
        yield from unknown
        return
    for index, document in enumerate(documents[:-1]):
        above = documents[index + 1 :]
        forbids = [forbidden for one in above for forbidden in one.forbids]
        if forbids:
            merged = merge_trees([one.tree for one in reversed(above)], OWN_FIELDS)
            yield from set_in_spite(forbids, merged.value, document.tree)


def _with_forbidden(tree: MergedTree, documents: Sequence[PlatformDocument]) -> MergedTree:
    """`tree` forbidding what any of its documents forbids."""
    forbids = [forbidden for document in reversed(documents) for forbidden in document.forbids]
    if len(documents) == 1 or not forbids:
        return tree
    path: Path = ("inheritance", "forbid")
    places = {(*path, index): forbidden.where for index, forbidden in enumerate(forbids)}
    value = tree.value | {"inheritance": {"forbid": [forbidden.pattern for forbidden in forbids]}}
    return MergedTree(tree.file, value, {**tree.sources, path: forbids[0].where, **places})
