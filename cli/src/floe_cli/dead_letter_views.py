"""Dead letters for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from rich.table import Table

from floe_chassis.dead_letter_box import KeptLetter

_REASON_LENGTH: Final = 120


def letters_table(letters: Sequence[KeptLetter]) -> Table:
    """One line for each letter."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("number", "given up at", "consumer", "subject", "code", "reason"):
        table.add_column(name, overflow="fold")
    for kept in letters:
        letter = kept.letter
        reason = letter.reason if len(letter.reason) <= _REASON_LENGTH else f"{letter.reason[:_REASON_LENGTH]}..."
        at = kept.at.isoformat(timespec="seconds")
        table.add_row(str(kept.sequence), at, letter.consumer, letter.subject, letter.code, reason)
    return table


def letter_document(kept: KeptLetter, *, with_body: bool) -> dict[str, Any]:
    """A letter as JSON values; the body as JSON if it is some, else as text."""
    letter = kept.letter
    document: dict[str, Any] = {
        "number": kept.sequence,
        "given_up_at": kept.at.isoformat(),
        "consumer": letter.consumer,
        "subject": letter.subject,
        "stream": letter.stream,
        "sequence": letter.sequence,
        "deliveries": letter.deliveries,
        "code": letter.code,
        "reason": letter.reason,
        "complete": letter.complete,
    }
    if with_body:
        document["headers"] = dict(letter.headers)
        document["body"] = _readable(letter.body)
    return document


def _readable(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
