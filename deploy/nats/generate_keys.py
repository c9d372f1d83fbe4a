#!/usr/bin/env python3
"""Make an nkey for each identity of `nats-server.conf`.

Usage: generate_keys.py FOLDER [SUBSCRIBER ...]. Writes `<identity>.seed` (secret: give it to that service alone, as
FLOE_NATS_SEED_FILE) and `nats.env` (public keys, for the environment of nats-server). Keys that are there already stay.
Of an external subscriber the name is given; its file is `subscriber-<name>.seed`. Those of earlier calls stay in
`nats.env` until their files are deleted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import nkeys  # type: ignore[import-untyped]
from generate_config import OPERATOR, PUBLISHES, variable

from floe_contracts.errors import ContractError
from floe_contracts.subscribers import consumer, is_subscribers


def generate(folder: Path, subscribers: Sequence[str] = ()) -> Path:
    """Write the keys that are missing; returns the file of public keys.

    The folder is closed to others, and the seeds in it are readable, so that a container's own user can read the one
    that is mounted into it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lines = []
    earlier = sorted(file.stem for file in folder.glob("*.seed") if is_subscribers(file.stem))
    for identity in dict.fromkeys((OPERATOR, *PUBLISHES, *map(consumer, subscribers), *earlier)):
        file = folder / f"{identity}.seed"
        if not file.exists():
            file.write_bytes(bytes(nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)))
            file.chmod(0o444)
        key = nkeys.from_seed(bytearray(file.read_bytes()))
        lines.append(f"{variable(identity)}={key.public_key.decode()}\n")
    public = folder / "nats.env"
    public.write_text("".join(lines), encoding="utf-8")
    return public


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    try:
        print(f"{generate(Path(sys.argv[1]), sys.argv[2:])} written")
    except ContractError as error:
        sys.exit(str(error))
