#!/usr/bin/env bash
# Lint and tests, in the same environment as the quickstart. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/environment.sh
.venv/bin/ruff check .
.venv/bin/ruff format --check .
$python -m ci lint
export OMP_NUM_THREADS=1  # tiny operations cost many times more on two threads that share cores with others
$python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile "$@"
