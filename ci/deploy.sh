#!/usr/bin/env bash
# Runs a packed bundle as an application of the MONAI Deploy App SDK 4, on one DICOM study:
#     bash ci/deploy.sh --input STUDY --output OUT --model BUNDLE
# The SDK has an environment of its own, made once per state of ci/deploy/requirements.txt, in the folder
# DEPLOY_ENVIRONMENT (.venv-deploy), by PYTHON (python3), which is 3.11 to 3.13. Without arguments only the environment
# is made.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
source "$here/environment_of.sh"
environment="${DEPLOY_ENVIRONMENT:-.venv-deploy}"
environment_of "$environment" "$here/deploy/requirements.txt" "3.11 to 3.13" "(3, 11) <= python <= (3, 13)"
[ $# -gt 0 ] || exit 0
ulimit -S -s 32768 2>/dev/null || true # Holoscan asks for a stack of 32 MB
export HOLOSCAN_LOG_LEVEL="${HOLOSCAN_LOG_LEVEL:-WARN}"
exec "$environment/bin/python" "$here/deploy" "$@"
