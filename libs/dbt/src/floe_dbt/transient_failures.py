"""Which failures of a warehouse may pass by themselves, by the words of the adapters and their drivers.

dbt hands on texts, not types. The texts that real drivers gave are kept by the test of this module, each with how it
was made. The patterns that match none of these are of failures that nobody can make at will (a server that is full, a
deadlock, a cloud that is overloaded): they are the wordings that the servers and drivers give for them, and nothing but
reading holds them. What no pattern knows is no transient failure: a model that is wrong stays wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_ANYWHERE: Final = (
    r"Connection refused",
    r"Connection reset by peer",
    r"Connection timed out",
    r"Broken pipe",
    r"Name or service not known",
    r"Temporary failure in name resolution",
    r"nodename nor servname provided",
    r"Network is unreachable",
    r"No route to host",
    r"Max retries exceeded with url",
    r"Read timed out",
    r"RemoteDisconnected",
)
"""What the operating system and the HTTP libraries say when nobody answers."""

_TRANSIENT: Final[Mapping[str, tuple[str, ...]]] = {
    "duckdb": (r"Could not set lock on file",),
    "postgres": (
        r"server closed the connection unexpectedly",
        r"terminating connection due to",
        r"the database system is (starting up|shutting down|in recovery mode|not yet accepting connections)",
        r"sorry, too many clients already",
        r"remaining connection slots are reserved",
        r"SSL connection has been closed unexpectedly",
        r"could not (receive|send) data",
        r"connection (already|is) closed",
        r"timeout expired",
        r"deadlock detected",
        r"could not serialize access",
    ),
    "redshift": (r"communication error", r"server socket closed", r"connection time ?out", r"Serializable isolation"),
    "snowflake": (
        r"250001: Could not connect to Snowflake backend",
        r"250003\b",  # a request that was given up after retries
        r"503 Service Unavailable",
    ),
    "bigquery": (
        r"\bunavailable\b",
        r"\b(500|502|503|504)\b.*\b(Internal|Bad Gateway|Service|Gateway|Deadline)",
        r"backendError|rateLimitExceeded|jobBackendError|internalError",
        r"Deadline of .* exceeded",
    ),
    "databricks": (r"Retry request would exceed Retry policy", r"TEMPORARILY_UNAVAILABLE"),
    # It swallows the reason, and says the same of a wrong token: the attempts of a run are limited.
    "spark": (r"failed to connect", r"Got EOF", r"TSocket read 0 bytes", r"Could not connect to any of"),
}

_PERMANENT: Final = (
    r"password authentication failed",
    r"no pg_hba\.conf entry",
    r"Incorrect username or password",
    r"invalid_grant",
    r"Invalid access token",
    r"CERTIFICATE_VERIFY_FAILED",
)
"""Refusals, which drivers wrap into the words of a failing connection."""

_REFUSAL: Final = re.compile("|".join(_PERMANENT))
_PATTERNS: Final = {
    adapter: re.compile("|".join((*_ANYWHERE, *own)), re.IGNORECASE) for adapter, own in _TRANSIENT.items()
}
_UNKNOWN_ADAPTER: Final = re.compile("|".join(_ANYWHERE), re.IGNORECASE)


def is_transient(message: str, adapter: str) -> bool:
    """Whether a failure may pass by itself, so that the same build should be tried again.

    Args:
        message: dbt's own words for the failure of a node or of a whole invocation.
        adapter: the type of the compute that it was built in.
    """
    return not _REFUSAL.search(message) and bool(_PATTERNS.get(adapter, _UNKNOWN_ADAPTER).search(message))
