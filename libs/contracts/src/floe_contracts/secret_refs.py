"""References to secrets. A document names a secret and never holds one (DESIGN section 4)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from floe_contracts.sections import SECRET_PATTERN, Section

SecretName = Annotated[str, StringConstraints(pattern=SECRET_PATTERN)]


class SecretRef(Section):
    """The name of a secret, looked up at run time where the run is."""

    secret_ref: SecretName = Field(description="Name of the secret, not its value.")
