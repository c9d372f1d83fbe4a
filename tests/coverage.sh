#!/usr/bin/env bash
# Run every test and print the coverage of each package; fails under 80 %. Usage: coverage.sh BIN
#
# floe starts processes with an environment of their own choosing and forks them, so coverage is started in every
# Python of the virtual environment by a .pth file, for as long as this script runs.
set -euo pipefail
bin=$(cd "$1" && pwd)
folder=$(mktemp -d)
hook=$("$bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/floe_coverage.pth
trap 'rm -rf "$folder" "$hook"' EXIT
packages="contracts chassis client dbt lakehouse gateway compiler executor catalog lineage semantic cli"
cat > "$folder/coverage.toml" <<TOML
[tool.coverage.run]
branch = true
parallel = true
patch = ["_exit", "fork"]
data_file = "$folder/data"
source_pkgs = [$(printf '"floe_%s", ' $packages)]
[tool.coverage.report]
exclude_also = ["if TYPE_CHECKING:", "^ *\\\\.\\\\.\\\\.$"]
TOML
cat > "$hook" <<PTH
import os; os.environ.setdefault("COVERAGE_PROCESS_START", "$folder/coverage.toml"); import coverage; coverage.process_startup()
PTH
status=0
"$bin/python" -m pytest -n 2 --dist loadfile --no-loadscope-reorder -q || status=1
rm -f "$hook"
"$bin/coverage" combine --quiet --rcfile="$folder/coverage.toml"
for package in $packages; do
  printf '%-16s ' "floe_$package"
  "$bin/coverage" report --rcfile="$folder/coverage.toml" --include="*/floe_$package/*" --fail-under=80 --format=total \
    || status=1
done
exit $status
