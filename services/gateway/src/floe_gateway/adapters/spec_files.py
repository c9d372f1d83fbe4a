"""Reading the documents at the root of an unpacked submission."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from floe_contracts.documents import read_floe_spec, read_platform_spec
from floe_contracts.errors import DocumentInvalid, FloeError
from floe_contracts.yaml_tree import MAX_BYTES
from floe_gateway.errors import SpecMissing

FLOE_YAML: Final = "floe.yaml"
PLATFORM_YAML: Final = "platform.yaml"


@dataclass(frozen=True, slots=True)
class Documents:
    """What stands at the root: the product's name, and the platform document if there is one."""

    product: str
    platform: bytes | None


def read_documents(folder: Path, *, with_platform: bool) -> Documents:
    """Read and check the documents of a submission.

    Args:
        folder: the root of the submission.
        with_platform: whether a `platform.yaml` counts.

    Raises:
        SpecMissing: there is no `floe.yaml`.
        DocumentInvalid: with all problems of both documents.
    """
    problems: list[FloeError] = []
    spec_bytes = _read(folder / FLOE_YAML)
    platform = _read(folder / PLATFORM_YAML) if with_platform else None
    product = ""
    if spec_bytes is None:
        raise SpecMissing(
            f"there is no {FLOE_YAML} at the root of the archive", hint="pack from inside the folder: tar -czf - ."
        )
    try:
        product = read_floe_spec(_text(spec_bytes)).metadata.name
    except DocumentInvalid as error:
        problems += error.problems
    try:
        if platform is not None:
            read_platform_spec(_text(platform))
    except DocumentInvalid as error:
        problems += error.problems
    if problems:
        raise DocumentInvalid(problems)
    return Documents(product, platform)


def _read(path: Path) -> bytes | None:
    """The file, or its beginning if it is too large for a document anyway."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _text(content: bytes) -> str:
    return content.decode(errors="surrogateescape")
