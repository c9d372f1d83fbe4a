"""How long a bundle takes to render, and Cube's own compiler to take it, for products of several sizes.

Rendering is measured in this process; the gate in the fresh process of Node that the service starts for each bundle,
with its CPU and its memory.

    python benchmarks/semantic/rendering.py [--models 10,200,2000] [--rounds 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import resource
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from figures import told
from products import ENVIRONMENT, artifact, graph

from floe_semantic.adapters.cube_compiler import CubeCompiler
from floe_semantic.core.rendering.render import Bundle, render

_GATE_SECONDS = 1200.0
_WANTED = {200: 1.0}
"""Models -> seconds of CPU that rendering may take."""


@dataclass(slots=True)
class Figures:
    """Seconds, and MB of the compiler's process.

    Attributes:
        bundle_bytes: of all files.
        peak: the largest process of Node until then.
    """

    models: int
    files: int = 0
    bundle_bytes: int = 0
    render_cpu: list[float] = field(default_factory=list)
    gate_wall: list[float] = field(default_factory=list)
    gate_cpu: list[float] = field(default_factory=list)
    peak: float = 0.0


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="10,200,2000", help="sizes, separated by commas")
    parser.add_argument("--rounds", type=int, default=5, help="of rendering; the gate is measured once in three")
    parser.add_argument("--gate-most", type=int, default=2000, help="models of the largest bundle that the gate takes")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    found = [measured(int(models), options.rounds, options.gate_most) for models in options.models.split(",")]
    print(f"{'models':>8}{'files':>8}{'kB':>8}{'render CPU s':>26}{'gate wall s':>26}{'gate CPU s':>26}{'gate MB':>9}")
    for one in found:
        cells = [told(one.render_cpu, 3), told(one.gate_wall), told(one.gate_cpu)]
        row = f"{one.models:>8}{one.files:>8}{one.bundle_bytes // 1000:>8}" + "".join(f"{cell:>26}" for cell in cells)
        print(f"{row}{one.peak:>9.0f}")
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in found], indent=2) + "\n")
    slow = [one for one in found if min(one.render_cpu) > _WANTED.get(one.models, float("inf"))]
    return 1 if slow else 0


def measured(models: int, rounds: int, gate_most: int) -> Figures:
    """One size."""
    product, nodes = artifact(), graph(models)
    figures = Figures(models)
    bundle = None
    for _ in range(rounds):
        gc.collect()
        before = time.process_time()
        bundle = render(product, nodes, ENVIRONMENT)
        figures.render_cpu.append(time.process_time() - before)
    assert bundle is not None
    figures.files = len(bundle.files)
    figures.bundle_bytes = sum(len(text.encode()) for text in bundle.files.values())
    for _ in range(max(1, rounds // 3) if models <= gate_most else 0):
        gate(bundle, figures)
    return figures


def gate(bundle: Bundle, figures: Figures) -> None:
    """Have a new compiler take the bundle."""
    from cube_home import find_cube  # found by the path that products adds

    home = find_cube()
    compiler = CubeCompiler(home.folder, str(home.node), _GATE_SECONDS)
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    asyncio.run(compiler.check(bundle.files))
    figures.gate_wall.append(time.monotonic() - started)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    figures.gate_cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    figures.peak = after.ru_maxrss / 1024


if __name__ == "__main__":
    raise SystemExit(main())
