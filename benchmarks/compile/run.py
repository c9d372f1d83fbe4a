"""floe's compiler beside `dbt parse` on the same generated projects, in one run: `make bench-compile`.

The contenders take turns, round after round, each on a copy of its own. Figures are medians with the smallest and the
largest; CPU is user and system time of all processes concerned, the peak their resident memory together (pages that
forked processes share are counted for each of them).

    python benchmarks/compile/run.py [--sizes 10,50,500,2000] [--rounds 3] [--environments 1] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from compile_contenders import Compiled, CompilerProcess, dbt_parse, validate
from generated_projects import change_one_model, write_product
from measurement import Measurement, Series

Key = tuple[int, str]

PACK = "pack"
VALIDATE = "floe validate"
COLD = "floe compile, service started"
FIRST = "floe compile, new product"
CHANGED = "floe compile, 1 model changed"
DRY = "floe dry run, 1 model changed"
HIT = "floe compile, the same again"
DBT_COLD = "dbt parse, cold"
DBT_CHANGED = "dbt parse, 1 model changed"
ORDER = (VALIDATE, COLD, FIRST, CHANGED, DRY, HIT, DBT_COLD, DBT_CHANGED, PACK)

SECONDS_WANTED = {(50, COLD): 5.0, (50, FIRST): 5.0, (50, CHANGED): 0.5, (50, DRY): 2.0, (2000, HIT): 0.2}
RATIO_WANTED = {(2000, CHANGED, DBT_CHANGED): 0.5}
LINEAR_WANTED = 1.25
"""How much longer a model may take in the largest project than in the one before it."""


def main() -> int:
    """Measure, print the table, and say how each target was met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="10,50,500,2000", help="numbers of models")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--environments", type=int, default=1, help="dbt is parsed once for each; dbt parse: for one")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    with tempfile.TemporaryDirectory(prefix="floe-bench-") as folder:
        series = measure(Path(folder), sizes, options.rounds, options.environments)
    report(series, sizes, options.rounds)
    if options.json:
        document = {f"{models} {name}": one.to_document() for (models, name), one in series.items()}
        options.json.write_text(json.dumps(document, indent=2))
    return 0


def measure(folder: Path, sizes: list[int], rounds: int, environments: int) -> dict[Key, Series]:
    """All contenders on projects of all sizes, `rounds` times each."""
    series: dict[Key, Series] = {}
    for number in range(rounds):
        for models in sizes:
            print(f"round {number + 1} of {rounds}, {models} models", file=sys.stderr)
            place = folder / f"{number}-{models}"
            for name, measured in one_round(place, models, environments):
                series.setdefault((models, name), Series()).add(measured)
                print(f"  {name:32} wall {measured.wall:6.2f} s  CPU {measured.cpu:6.2f} s", file=sys.stderr)
            shutil.rmtree(place)
    return series


def one_round(place: Path, models: int, environments: int) -> list[tuple[str, Measurement]]:
    """Every contender once on a project of that size.

    Raises:
        RuntimeError: floe gave the same sources another digest.
    """
    taken: list[tuple[str, Measurement]] = []

    def compiled(name: str, run: Callable[[], Compiled]) -> str:
        outcome = run()
        taken.append((name, outcome.measured))
        taken.append((PACK, Measurement(outcome.pack_seconds, 0.0, 0.0)))
        return outcome.digest

    first = write_product(place / "first", "first", models, environments)
    second = write_product(place / "second", "second", models, environments)
    plain = write_product(place / "plain", "plain", models)
    taken.append((VALIDATE, validate(first)))
    with CompilerProcess(place / "compiler") as compiler:
        compiled(COLD, lambda: compiler.compile(first, "first", from_start=True))
        digest = compiled(FIRST, lambda: compiler.compile(second, "second"))
        taken.append((DBT_COLD, dbt_parse(plain)))
        for product in (first, second, plain):
            change_one_model(product, models, 1)
        changed = compiled(CHANGED, lambda: compiler.compile(second, "second"))
        taken.append((DBT_CHANGED, dbt_parse(plain)))
        compiled(DRY, lambda: compiler.compile(first, "first", dry_run=True))
        same = compiled(HIT, lambda: compiler.compile(second, "second"))
        if digest == changed or changed != same:
            raise RuntimeError(f"digests: first {digest}, changed {changed}, the same again {same}")
    return taken


def report(series: dict[Key, Series], sizes: list[int], rounds: int) -> None:
    """Print the table and the targets."""
    heads = f"{'wall s':>8} {'min-max':>15} {'CPU s':>8} {'min-max':>15} {'peak MB':>8}"
    print(f"\n{'models':>6} {'':32} {heads}   ({rounds} rounds, medians)")
    for models in sizes:
        for name in ORDER:
            one = series[models, name]
            print(
                f"{models:>6} {name:32} {one.median('wall'):8.2f} {one.spread('wall'):>15} "
                f"{one.median('cpu'):8.2f} {one.spread('cpu'):>15} {one.median('rss_mb'):8.0f}"
            )
        print()
    for (models, name), wanted in SECONDS_WANTED.items():
        if (models, name) in series:
            tell(f"{models} models: {name}", series[models, name].median("wall"), wanted, " s")
    for (models, mine, other), wanted in RATIO_WANTED.items():
        if (models, mine) in series:
            ratio = series[models, mine].median("wall") / series[models, other].median("wall")
            tell(f"{models} models: {mine} / {other}", ratio, wanted)
    if len(sizes) > 1 and min(sizes[-2:]) >= 500:
        few, many = sizes[-2:]
        for name in (FIRST, CHANGED):
            per_model = [series[models, name].median("cpu") / models for models in (few, many)]
            tell(f"{name}: CPU a model, {many} / {few} models", per_model[1] / per_model[0], LINEAR_WANTED)


def tell(what: str, found: float, wanted: float, unit: str = "") -> None:
    """Say whether a target was met."""
    print(f"{what}: {found:.2f}{unit} (wanted: at most {wanted}{unit}) {'met' if found <= wanted else 'not met'}")


if __name__ == "__main__":
    sys.exit(main())
