"""`POST /v1/specs`."""

from __future__ import annotations

import uuid
from typing import Final

import structlog
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from floe_gateway.core.bearer_tokens import check_token
from floe_gateway.core.submission import check_media_type, read_submission
from floe_gateway.door import Endpoints
from floe_gateway.specs.intake import Intake, take_in

SPECS: Final = "/v1/specs"
_log = structlog.get_logger("floe.gateway")


def spec_endpoints(intake: Intake, token: SecretStr | None) -> Endpoints:
    """Where specs are submitted, by callers with the token, or by anybody if it is None."""

    async def submit(request: Request) -> Response:
        check_token(request.headers.get("Authorization"), token)
        check_media_type(request.headers.get("Content-Type"))
        submission = read_submission(request.headers, generated=str(uuid.uuid4()))
        accepted = await take_in(intake, submission, request.stream())
        _log.info("spec.submitted", product=accepted.product, submission=accepted.submission, id=accepted.id)
        return JSONResponse(accepted.to_document(), status_code=202)

    return {SPECS: {"POST": submit}}
