#!/usr/bin/env bash
# Make a virtual environment with a supported Python and put uv into it. Usage: setup.sh FOLDER
set -euo pipefail
venv=$1
if [ ! -x "$venv/bin/python" ]; then
  python=
  for candidate in ${FLOE_PYTHON:-} python3.13 python3.12 python3.11 python3; do
    # A version manager's shim may exist for a version that is not there, so each one is asked to run.
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then
      python=$candidate
      break
    fi
  done
  if [ -z "$python" ]; then
    echo "floe needs Python 3.11, 3.12 or 3.13, and found none of python3.13, python3.12, python3.11." >&2
    echo "Install one, or name it: FLOE_PYTHON=/path/to/python make setup" >&2
    exit 1
  fi
  if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    echo "$python has no ensurepip, so it cannot make a virtual environment." >&2
    echo "On Debian and Ubuntu the package python$version-venv brings it: apt-get install python$version-venv" >&2
    exit 1
  fi
  "$python" -m venv "$venv"
fi
if [ ! -x "$venv/bin/uv" ]; then
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check uv
fi
