"""Callers with a token of their own: who they are, told by what they send."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from pydantic import SecretStr

from floe_contracts.bearer_tokens import bears
from floe_gateway.core.bearer_tokens import unauthorized
from floe_gateway.errors import TokenShared

_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class Caller(Protocol):
    """Somebody whom the settings name."""

    @property
    def name(self) -> str:
        """Its name among its kind."""
        ...

    @property
    def secret(self) -> str:
        """The name of the secret that holds its token."""
        ...


CallerT = TypeVar("CallerT", bound=Caller)


@dataclass(frozen=True, slots=True)
class KnownCaller(Generic[CallerT]):
    """A caller with the token that it sends."""

    caller: CallerT
    token: SecretStr


@dataclass(frozen=True, slots=True)
class KnownCallers(Generic[CallerT]):
    """All callers of one kind.

    Attributes:
        known: each with its token.
        anybody: who a caller is where none is known; None lets nobody in then.
    """

    known: Sequence[KnownCaller[CallerT]]
    anybody: CallerT | None

    def recognise(self, authorization: str | None) -> CallerT:
        """Who calls, by the header as it came; each token is compared, so that the time says nothing.

        Raises:
            Unauthorized: the token is nobody's.
        """
        if not self.known and self.anybody is not None:
            return self.anybody
        found = [each.caller for each in self.known if bears(authorization, each.token)]
        if not found:
            raise unauthorized()
        return found[0]


def is_name(text: str) -> bool:
    """Whether it can name a caller or a place of one: small letters, digits and single hyphens."""
    return _NAME.fullmatch(text) is not None


def read_callers(text: str, read: Callable[[str], CallerT]) -> tuple[CallerT, ...]:
    """The callers that a setting names, separated by commas.

    Args:
        text: as it stands in the setting.
        read: reads one of them, or raises ValueError.

    Raises:
        ValueError: one is written wrongly, or named twice.
    """
    callers = tuple(read(part.strip()) for part in text.split(",") if part.strip())
    if len({caller.name for caller in callers}) != len(callers):
        raise ValueError("a name stands there twice")
    return callers


def with_tokens(
    callers: Sequence[CallerT], secrets: Callable[[str], str], *, anybody: CallerT | None
) -> KnownCallers[CallerT]:
    """The callers with their tokens.

    Args:
        callers: those that the settings name.
        secrets: tells a secret by its name.
        anybody: see `KnownCallers`.

    Raises:
        TokenShared: two have the same token, and could not be told apart.
    """
    known = [KnownCaller(caller, SecretStr(secrets(caller.secret))) for caller in callers]
    token, count = Counter(each.token.get_secret_value() for each in known).most_common(1)[0] if known else ("", 0)
    if count > 1:
        shared = ", ".join(each.caller.secret for each in known if each.token.get_secret_value() == token)
        raise TokenShared(f"these secrets hold the same token: {shared}", hint="give each caller a token of its own")
    return KnownCallers(known, anybody)
