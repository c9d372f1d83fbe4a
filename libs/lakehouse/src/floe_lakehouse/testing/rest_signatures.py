"""Who may ask the REST catalog for tests by signing: AWS Signature Version 4, checked as its specification has it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Final
from urllib.parse import parse_qsl, quote

from starlette.requests import Request
from starlette.responses import Response

from floe_lakehouse.testing.rest_answers import problem

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_HEADER: Final = re.compile(rf"{_ALGORITHM} Credential=([^/]+)/([^,]+), ?SignedHeaders=([^,]+), ?Signature=(\w+)")
_BODY_DIGEST: Final = "x-amz-content-sha256"
_UNRESERVED: Final = "-_.~"


@dataclass(frozen=True, slots=True)
class Signatures:
    """The keys whose signatures a server takes, in the place of tokens.

    Attributes:
        secrets: secret keys, by access key.
        region: for which requests are signed.
        service: for which they are signed.
    """

    secrets: Mapping[str, str] = field(repr=False)
    region: str
    service: str

    async def refusal(self, request: Request) -> Response | None:
        """What a request without a right signature is answered; None for one with."""
        found = _HEADER.fullmatch(request.headers.get("authorization", ""))
        if found is None:
            return problem(403, "MissingAuthenticationTokenException", "the request is not signed")
        access_key, scope, signed, signature = found.groups()
        date = request.headers.get("x-amz-date", "")
        if scope != f"{date[:8]}/{self.region}/{self.service}/aws4_request":
            return problem(403, "InvalidSignatureException", f"it is signed for {scope}")
        if not {"host", "x-amz-date"} <= set(signed.split(";")):
            return problem(403, "InvalidSignatureException", f"it signs {signed} only")
        digest = hashlib.sha256(await request.body()).hexdigest()
        if request.headers.get(_BODY_DIGEST, digest) != digest:
            return problem(400, "XAmzContentSHA256Mismatch", "the body is another one")
        canonical = hashlib.sha256(_canonical(request, signed, digest).encode()).hexdigest()
        text = f"{_ALGORITHM}\n{date}\n{scope}\n{canonical}"
        key = reduce(_keyed, scope.split("/"), b"AWS4" + self.secrets.get(access_key, "").encode())
        if access_key not in self.secrets or not hmac.compare_digest(_keyed(key, text).hex(), signature):
            return problem(403, "InvalidSignatureException", "the signature is another one")
        return None


def _canonical(request: Request, signed: str, digest: str) -> str:
    path = quote(request.scope["raw_path"].decode(), safe=f"/{_UNRESERVED}")
    query = sorted(
        (quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED))
        for name, value in parse_qsl(request.scope["query_string"].decode(), keep_blank_values=True)
    )
    headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in signed.split(";"))
    parameters = "&".join("=".join(each) for each in query)
    return f"{request.method}\n{path}\n{parameters}\n{headers}\n{signed}\n{digest}"


def _keyed(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
