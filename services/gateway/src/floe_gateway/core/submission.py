"""A submission: what the caller says about it, and the event that it becomes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from floe_contracts.errors import Where
from floe_contracts.events import SourceReference, SpecSubmitted
from floe_gateway.errors import MediaTypeUnknown, RequestInvalid

SUBMISSION: Final = "Floe-Submission"
REPOSITORY: Final = "Floe-Repository"
REF: Final = "Floe-Ref"
COMMIT: Final = "Floe-Commit"
MEDIA_TYPES: Final = ("application/gzip", "application/x-tar+gzip")
_ID: Final = re.compile(r"[A-Za-z0-9._/-]{1,128}")
_VALUE_LENGTH: Final = 512


@dataclass(frozen=True, slots=True)
class Submission:
    """What the caller says beside the archive."""

    id: str
    source: SourceReference | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to a submission that is stored."""

    submission: str
    product: str
    bundle: str
    id: str
    duplicate: bool

    def to_document(self) -> dict[str, object]:
        """As JSON values."""
        return asdict(self)


def check_media_type(content_type: str | None) -> None:
    """Refuse what is not said to be a gzipped tar archive.

    Raises:
        MediaTypeUnknown: it is not.
    """
    if (content_type or "").split(";")[0].strip().lower() not in MEDIA_TYPES:
        raise MediaTypeUnknown(
            f"the body is said to be {content_type!r}", hint=f"send a gzipped tar as {' or '.join(MEDIA_TYPES)}"
        )


def read_submission(headers: Mapping[str, str], *, generated: str) -> Submission:
    """What the headers of a request say.

    Args:
        headers: by name, in any case; values decoded as HTTP does (ISO 8859-1).
        generated: the id of a submission whose caller gave it none.

    Raises:
        RequestInvalid: a value that cannot be used.
    """
    given = {name: text for name in (SUBMISSION, REPOSITORY, REF, COMMIT) if (text := _value(headers, name))}
    submission = given.get(SUBMISSION, generated)
    if not _ID.fullmatch(submission):
        raise RequestInvalid(
            f"{submission!r} cannot name a submission",
            where=Where(path=SUBMISSION),
            hint="1 to 128 letters, digits and . _ / -",
        )
    if REPOSITORY not in given:
        if REF in given or COMMIT in given:
            raise RequestInvalid(
                "a ref or commit without its repository", where=Where(path=REPOSITORY), hint=f"send {REPOSITORY} too"
            )
        return Submission(submission, None)
    repository = without_credentials(given[REPOSITORY])
    return Submission(submission, SourceReference(repository=repository, ref=given.get(REF), commit=given.get(COMMIT)))


def spec_submitted(
    submission: Submission,
    *,
    tenant: str,
    product: str,
    bundle: str,
    platform: str | None,
    platform_parents: Mapping[str, str],
) -> SpecSubmitted:
    """The event of a submission whose sources are stored."""
    return SpecSubmitted(
        tenant=tenant,
        product=product,
        submission=submission.id,
        bundle=bundle,
        platform=platform,
        platform_parents=dict(platform_parents),
        source=submission.source,
    )


def without_credentials(repository: str) -> str:
    """The address of a repository without a user and password that may stand in it: events hold no secrets."""
    try:
        parts = urlsplit(repository)
    except ValueError as error:
        raise RequestInvalid("the repository is no address", where=Where(path=REPOSITORY)) from error
    if not parts.scheme or "@" not in parts.netloc:
        return repository
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _value(headers: Mapping[str, str], name: str) -> str | None:
    written = headers.get(name)
    if written is None:
        return None
    try:
        text = written.encode("latin-1").decode().strip()
    except UnicodeError:
        text = ""
    if not text or len(text) > _VALUE_LENGTH or not text.isprintable():
        raise RequestInvalid(
            f"the header {name} cannot be read",
            where=Where(path=name),
            hint=f"1 to {_VALUE_LENGTH} printable characters, in UTF-8",
        )
    return text
