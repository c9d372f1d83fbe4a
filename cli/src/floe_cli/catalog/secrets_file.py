"""A file for secrets that are told once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from floe_cli.errors import FileUnusable
from floe_contracts.catalog_access import PrincipalCredentials

_OWNER_ONLY = 0o600


@contextmanager
def secrets_to(file: Path | None) -> Iterator[Callable[[Sequence[PrincipalCredentials]], None]]:
    """What writes credentials to a new file that its owner alone can read; a JSON object, by service.

    The file is there before the secrets are: what could not be written would be lost. It goes again if nothing came of
    it. Without a file, nothing is written.

    Raises:
        FileUnusable: it exists, or cannot be written.
    """
    if file is None:
        yield lambda credentials: None
        return
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    except OSError as error:
        raise FileUnusable(
            f"{file} cannot be made: {error.strerror}", hint="name a file that is not there, where you may write"
        ) from error
    written = False

    def write(credentials: Sequence[PrincipalCredentials]) -> None:
        nonlocal written
        if credentials:
            document = {each.service: each.model_dump(exclude={"service"}) for each in credentials}
            out.write(json.dumps(document, indent=2) + "\n")
            out.flush()
            written = True

    try:
        with os.fdopen(descriptor, "w") as out:
            yield write
    finally:
        if not written:
            file.unlink(missing_ok=True)
