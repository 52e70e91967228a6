#!/usr/bin/env bash
# Lint and tests, in the same environment as the quickstart. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/environment.sh
.venv/bin/ruff check .
.venv/bin/ruff format --check .
$python ci/lint_configs.py
$python -m pytest "$@"
