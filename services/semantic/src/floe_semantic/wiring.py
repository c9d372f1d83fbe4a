"""What the semantic service is made of, put together once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from floe_chassis.blobs import BlobStore, open_blobs
from floe_chassis.loopback import is_loopback
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings, load_settings
from floe_semantic.adapters.cube_compiler import CubeCompiler
from floe_semantic.adapters.state_bucket import SemanticStates
from floe_semantic.core.rendering.serving import Rendering
from floe_semantic.http_answers import Door
from floe_semantic.settings import SemanticSettings
from floe_semantic.sync.sync_metrics import MeasuredGate, SyncMetrics
from floe_semantic.sync.telling import OutcomeTeller


@dataclass(frozen=True, slots=True)
class Parts:
    """A semantic service that is not started yet, and what its rooms share.

    Attributes:
        service: reads, answers and works.
        chassis: settings that all services share.
        settings: its own.
        blobs: where artifacts' parts and bundles are.
        rendering: what rendering needs.
        states: what is wanted, offered and served.
        teller: announces what becomes of offers.
        door: who may call over HTTP.
        measures: counts what Cube asks and says.
    """

    service: Service
    chassis: ChassisSettings
    settings: SemanticSettings
    blobs: BlobStore
    rendering: Rendering
    states: SemanticStates
    teller: OutcomeTeller
    door: Door
    measures: SyncMetrics


def assemble(environment: Mapping[str, str]) -> Parts:
    """The parts, for `environment`.

    Raises:
        SettingInvalid: a setting is missing or wrong.
        CompilerMissing: Cube's compiler is not where the settings say.
    """
    chassis = load_settings(ChassisSettings, environment)
    settings = load_settings(SemanticSettings, environment)
    service = Service("semantic", chassis)
    blobs = open_blobs(chassis.blobs_url)
    states = SemanticStates(service.bus)
    home = settings.cube_home
    measures = SyncMetrics()
    gate = None
    if home is not None:
        gate = MeasuredGate(CubeCompiler(home, settings.node, settings.gate_seconds), measures)
    token = settings.cube_token
    return Parts(
        service=service,
        chassis=chassis,
        settings=settings,
        blobs=blobs,
        rendering=Rendering(blobs, gate),
        states=states,
        teller=OutcomeTeller(service.bus, blobs, states),
        door=Door(token, closed=token is None and not is_loopback(chassis.http_host)),
        measures=measures,
    )
