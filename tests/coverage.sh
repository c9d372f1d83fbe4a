#!/usr/bin/env bash
# Run every test and print the coverage of each package; fails under 80 %. Usage: coverage.sh BIN
set -euo pipefail
bin=$1
"$bin/python" -m pytest -n 2 --dist loadfile -q --cov --cov-report=
status=0
for package in contracts chassis dbt lakehouse gateway compiler executor catalog lineage semantic cli; do
  printf '%-18s ' "floe_$package"
  "$bin/coverage" report --include="*/floe_$package/*" --fail-under=80 --format=total || status=1
done
exit $status
