"""What the errors of the catalogs' drivers mean.

Drivers of kinds that are not installed are not imported to be asked: an error's classes are known by their names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from floe_contracts.errors import FloeError
from floe_lakehouse.errors import (
    CatalogDriverMissing,
    CatalogLacks,
    CatalogRefused,
    CatalogRequestRefused,
    CatalogUnreachable,
)

_PASSED_ON: Final = frozenset({"pyiceberg.exceptions.CommitStateUnknownException"})
"""Whoever commits looks at the table to learn what became of the commit."""
_SILENT: Final = frozenset(
    {
        "sqlite3.OperationalError",
        "sqlalchemy.exc.OperationalError",
        "sqlalchemy.exc.InterfaceError",
        "sqlalchemy.exc.TimeoutError",
        "requests.exceptions.ConnectionError",
        "requests.exceptions.Timeout",
        "requests.exceptions.ChunkedEncodingError",
        "pyiceberg.exceptions.ServerError",
        "pyiceberg.exceptions.ServiceUnavailableError",
        "pyiceberg.exceptions.TooManyRequestsError",
        "pyiceberg.exceptions.WaitingForLockException",
        "botocore.exceptions.HTTPClientError",
        "botocore.exceptions.ConnectionError",
        "thrift.transport.TTransport.TTransportException",
    }
)
_REFUSING: Final = frozenset(
    {
        "pyiceberg.exceptions.OAuthError",
        "pyiceberg.exceptions.UnauthorizedError",
        "pyiceberg.exceptions.AuthorizationExpiredError",
        "pyiceberg.exceptions.ForbiddenError",
        "botocore.exceptions.NoCredentialsError",
        "botocore.exceptions.PartialCredentialsError",
        "botocore.exceptions.CredentialRetrievalError",
    }
)
_REQUEST: Final = frozenset(
    {
        "pyiceberg.exceptions.RESTError",
        "requests.exceptions.InvalidURL",
        "requests.exceptions.InvalidSchema",
        "requests.exceptions.MissingSchema",
        "botocore.exceptions.NoRegionError",
        "botocore.exceptions.InvalidEndpointError",
    }
)
_AWS: Final = "botocore.exceptions.ClientError"
_AWS_REFUSALS: Final = re.compile(
    r"AccessDenied|Unrecognized\w*Client|Invalid\w*(Signature|Token|AccessKey)|Expired\w*|NotAuthorized"
)
_AWS_SILENCE: Final = re.compile(r"Throttl|TooManyRequests|LimitExceeded|Internal|ServiceUnavailable|Timeout")
_POSTGRES_REFUSAL: Final = re.compile(
    r"FATAL:\s+(?!the database system|sorry, too many|remaining connection slots|too many connections|terminating)"
)
_DRIVERS: Final = frozenset({"boto3", "botocore", "hive_metastore", "psycopg2", "thrift"})
_EXTRA: Final = "floe-lakehouse[metastores]"
_NO_ENDPOINT: Final = "Server does not support endpoint"


def failure_of(what: str, error: Exception) -> FloeError | None:
    """What a driver's error means for whoever asked `what`; None if it says something about the request's object.

    The answers of a catalog that its callers handle themselves (no such table, a conflict of commits) are None.
    """
    names = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
    if names & _PASSED_ON:
        return None
    text = _text(error)
    if names & _REFUSING or _is_refusal(names, error, text):
        return CatalogRefused(
            f"{what} refuses the credentials: {text}",
            hint="check the catalog's credentials in platform.yaml, and what their owner was granted",
        )
    if names & _SILENT or (_AWS in names and _AWS_SILENCE.search(_aws_code(error))):
        return CatalogUnreachable(
            f"{what} cannot be reached: {text}", hint="check its `uri`, and whether its database or server runs"
        )
    if isinstance(error, ModuleNotFoundError):
        module = (error.name or "").partition(".")[0]
        package = _EXTRA if module in _DRIVERS else module
        return CatalogDriverMissing(f"{what} needs the module {module!r}", hint=f"install {package}")
    if isinstance(error, NotImplementedError) and _NO_ENDPOINT in text:
        return CatalogLacks(f"{what} does not offer it: {text}", hint="use a server that does")
    if names & _REQUEST or _AWS in names:
        return CatalogRequestRefused(f"{what} refuses what it is asked: {text}", hint="check it in platform.yaml")
    return None


def _is_refusal(names: Iterable[str], error: Exception, text: str) -> bool:
    if _AWS in names:
        return bool(_AWS_REFUSALS.search(_aws_code(error)))
    return "sqlalchemy.exc.OperationalError" in names and bool(_POSTGRES_REFUSAL.search(text))


def _aws_code(error: Exception) -> str:
    response = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", ""))


def _text(error: Exception) -> str:
    """What a person is told: of SQLAlchemy the database's own words, without the statement and its values."""
    return " ".join(str(getattr(error, "orig", None) or error).split()) or type(error).__name__
