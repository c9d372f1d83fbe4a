"""The subjects of the bus: the only place where they are built and parsed (DESIGN section 3).

A token holds `[a-z0-9-]`; every other byte of its UTF-8 form is written `_hh`, so that any name can stand in a subject
and can be read back from it.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from floe_contracts.errors import ContractError

ROOT: Final = "floe.v1"
_PLAIN: Final = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-")
_TOKEN: Final = re.compile(r"(?:[a-z0-9-]|_[0-9a-f]{2})+")
_ESCAPED: Final = re.compile(r"_([0-9a-f]{2})")
_LONGEST_TOKEN: Final = 500
_KEPT_OF_LONG_NAME: Final = 30


class Scope(StrEnum):
    """Which tokens follow noun and verb."""

    REPOSITORY = "tenant.repository"
    PRODUCT = "tenant.product"
    ENVIRONMENT = "tenant.environment.product"
    DETAIL = "tenant.environment.product.detail"

    @property
    def names(self) -> tuple[str, ...]:
        """What each token stands for: a field of `EventSubject`."""
        return tuple(self.value.split("."))


class EventKind(StrEnum):
    """Every kind of event, spelled as the noun and past verb of its subject."""

    GIT_PUSHED = "git.pushed"
    SPEC_SUBMITTED = "spec.submitted"
    ARTIFACT_COMPILED = "artifacts.compiled"
    ARTIFACT_PLANNED = "artifacts.planned"
    ARTIFACT_REJECTED = "artifacts.rejected"
    ARTIFACT_RETIRED = "artifacts.retired"
    RUN_REQUESTED = "run.requested"
    RUN_QUEUED = "run.queued"
    RUN_STARTED = "run.started"
    RUN_COMPLETED = "run.completed"
    RUN_FAILED = "run.failed"
    RUN_CANCELLED = "run.cancelled"
    RUN_SUPERSEDED = "run.superseded"
    CANCELLATION_REQUESTED = "cancellation.requested"
    BACKFILL_COMPLETED = "backfill.completed"
    NODE_STARTED = "node.started"
    NODE_COMPLETED = "node.completed"
    NODE_FAILED = "node.failed"
    NODE_SKIPPED = "node.skipped"
    TABLE_CREATED = "table.created"
    TABLE_COMMITTED = "table.committed"
    TABLE_SCHEMA_CHANGED = "table.schema-changed"
    TABLE_MAINTAINED = "table.maintained"
    TABLE_DROPPED = "table.dropped"
    TABLE_CHECKED = "table.checked"
    SEMANTIC_RENDERED = "semantic.rendered"
    SEMANTIC_FAILED = "semantic.failed"
    SEMANTIC_SYNCED = "semantic.synced"
    SEMANTIC_SYNC_FAILED = "semantic.sync-failed"
    SEMANTIC_WITHDRAWN = "semantic.withdrawn"

    @property
    def scope(self) -> Scope:
        """The tokens that follow the kind in a subject."""
        noun = self.value.split(".")[0]
        if noun == "git":
            return Scope.REPOSITORY
        if noun in {"spec", "artifacts"}:
            return Scope.PRODUCT
        return Scope.DETAIL if noun in {"node", "table"} else Scope.ENVIRONMENT


_KINDS: Final = frozenset(kind.value for kind in EventKind)


@dataclass(frozen=True, slots=True)
class RequestSubject:
    """The subject of a request: what is asked of which service, and where; the names are unescaped."""

    service: str
    operation: str
    tenant: str
    environment: str

    def __str__(self) -> str:
        """The subject as it stands on the wire."""
        names = (self.service, self.operation, self.tenant, self.environment)
        return ".".join([ROOT, "request", *(escape(name) for name in names)])


@dataclass(frozen=True, slots=True)
class EventSubject:
    """A parsed event subject; the names are unescaped, and those that its kind does not have are None."""

    kind: EventKind
    tenant: str
    product: str | None = None
    environment: str | None = None
    detail: str | None = None
    repository: str | None = None

    def __str__(self) -> str:
        """The subject as it stands on the wire."""
        names = (getattr(self, name) for name in self.kind.scope.names)
        return ".".join([ROOT, self.kind.value, *(escape(name or "") for name in names)])


def escape(name: str) -> str:
    """`name` as one subject token.

    Raises:
        ContractError: the name is empty, or no Unicode text; a subject has no empty tokens.
    """
    if not name:
        raise ContractError("a subject cannot hold an empty name", hint="every token of a subject needs a value")
    try:
        encoded = name.encode()
    except UnicodeEncodeError as error:
        raise ContractError(f"{name!r} is not text that UTF-8 can hold") from error
    return "".join(chr(byte) if byte in _PLAIN else f"_{byte:02x}" for byte in encoded)


def unescape(token: str) -> str:
    """The name that `escape` turned into `token`.

    Raises:
        ContractError: the token was not written by `escape`.
    """
    if not _TOKEN.fullmatch(token):
        raise ContractError(f"{token!r} is not a token of a floe subject")
    try:
        name = _ESCAPED.sub(lambda match: chr(int(match.group(1), 16)), token).encode("latin-1").decode()
    except UnicodeDecodeError as error:
        raise ContractError(f"{token!r} is not an escaped UTF-8 name") from error
    if escape(name) != token:
        raise ContractError(f"{token!r} is not how {name!r} is written in a subject")
    return name


def parse(subject: str) -> EventSubject:
    """Read an event subject.

    Raises:
        ContractError: not a subject of an event of this major.
    """
    parts = subject.split(".")
    if ".".join(parts[:2]) != ROOT:
        raise ContractError(f"{subject!r} is not a subject of {ROOT}")
    try:
        kind = EventKind(".".join(parts[2:4]))
    except ValueError as error:
        raise ContractError(f"{subject!r} names no known event") from error
    names = [unescape(token) for token in parts[4:]]
    expected = kind.scope.names
    if len(names) != len(expected):
        raise ContractError(f"{subject!r} has {len(names)} names after its kind, not {len(expected)}")
    return EventSubject(kind, **dict(zip(expected, names, strict=True)))


def pattern(
    kind: EventKind,
    *,
    tenant: str | None = None,
    environment: str | None = None,
    product: str | None = None,
    repository: str | None = None,
) -> str:
    """The subscription pattern for a kind of event; a name left out matches all."""
    given = {"tenant": tenant, "environment": environment, "product": product, "repository": repository}
    names = (given.get(name) for name in kind.scope.names)
    return ".".join([ROOT, kind.value, *("*" if name is None else escape(name) for name in names)])


def template(subject: str) -> str:
    """`subject` without its names, for metric labels: their number must not grow with what somebody publishes."""
    parts = subject.split(".")
    if ".".join(parts[:2]) == ROOT:
        if parts[2:3] in (["lineage"], ["dlq"], ["answer"], ["flow"]):
            return ".".join(parts[:3])
        if parts[2:3] == ["request"]:
            # Service and operation: a service listens to the operations that it has, and to nothing else.
            return ".".join(parts[:5])
        if ".".join(parts[2:4]) in _KINDS:
            return ".".join(parts[:4])
    return "other"


def lineage(tenant: str, environment: str, product: str, job: str, event_type: str) -> str:
    """The subject of one OpenLineage event.

    Args:
        tenant: whose it is.
        environment: where it happened.
        product: floe's product, or a foreign producer (`naming.foreign_place`).
        job: the name of the job, or of the dataset. One of over 500 bytes, escaped, is cut and ends in its digest: the
            server takes no line of over 4096 bytes, and the body has the whole name.
        event_type: START, COMPLETE, FAIL, ABORT, RUNNING or OTHER; JOB or DATASET of an event without a run.
    """
    names = (tenant, environment, product, _cut(job), event_type.lower())
    return ".".join([ROOT, "lineage", *(escape(name) for name in names)])


def _cut(name: str) -> str:
    if len(escape(name)) <= _LONGEST_TOKEN:
        return name
    return f"{name[:_KEPT_OF_LONG_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def lineage_pattern(
    tenant: str | None = None,
    environment: str | None = None,
    product: str | None = None,
    job: str | None = None,
    event_type: str | None = None,
) -> str:
    """The subscription pattern for lineage events; a name left out matches all. The names are those of `lineage`."""
    cut = None if job is None else _cut(job)
    lower = None if event_type is None else event_type.lower()
    names = ("*" if name is None else escape(name) for name in (tenant, environment, product, cut, lower))
    return ".".join([ROOT, "lineage", *names])


def lineage_of_place(tenant: str | None = None, environment: str | None = None, product: str | None = None) -> str:
    """The subscription pattern for all lineage of a place, in its shortest form; a name left out matches all."""
    names = [tenant, environment, product]
    while names and names[-1] is None:
        names.pop()
    return ".".join([ROOT, "lineage", *("*" if name is None else escape(name) for name in names), ">"])


def lineage_patterns(
    tenant: str,
    environments: Collection[str] = (),
    products: Collection[str] = (),
    jobs: Collection[str] = (),
    event_types: Collection[str] = (),
) -> tuple[str, ...]:
    """Patterns for lineage events that have any of these names each; no names match all. None overlaps another."""
    names = (environments, products, jobs, event_types)
    choices: list[Iterable[str | None]] = [dict.fromkeys(each) or (None,) for each in names]
    return tuple(dict.fromkeys(lineage_pattern(tenant, *chosen) for chosen in itertools.product(*choices)))


def dead_letter(stream: str, consumer: str) -> str:
    """Where the dead letters of one consumer go."""
    return ".".join([ROOT, "dlq", escape(stream.lower()), escape(consumer)])


def parse_request(subject: str) -> RequestSubject:
    """Read the subject of a request.

    Raises:
        ContractError: not a subject of a request of this major.
    """
    parts = subject.split(".")
    if ".".join(parts[:3]) != f"{ROOT}.request" or len(parts) != len(ROOT.split(".")) + 5:
        raise ContractError(f"{subject!r} is not the subject of a request")
    return RequestSubject(*(unescape(token) for token in parts[3:]))


def request_pattern(service: str, operation: str) -> str:
    """The subscription pattern for the requests of one operation, of all tenants and environments."""
    return ".".join([ROOT, "request", escape(service), escape(operation), "*", "*"])


def answer(service: str, asker: str, token: str) -> str:
    """Where the parts of one answer of a service go; a stream holds none of them."""
    return ".".join([ROOT, "answer", escape(service), escape(asker), escape(token)])


def is_answer(subject: str, service: str) -> bool:
    """Whether a reply subject is one that answers of this service may go to."""
    parts = subject.split(".")
    of_service = parts[:4] == [*ROOT.split("."), "answer", escape(service)]
    return of_service and len(parts) == 6 and all(_TOKEN.fullmatch(token) for token in parts[4:])


def flow(service: str, token: str) -> str:
    """Where an asker says how much of an answer it has taken."""
    return ".".join([ROOT, "flow", escape(service), escape(token)])
