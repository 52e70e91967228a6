#!/usr/bin/env bash
# Runs a packed bundle as an application of the MONAI Deploy App SDK 4, on one DICOM study:
#     bash ci/deploy.sh --input STUDY --output OUT --model BUNDLE
# The SDK has an environment of its own, made once per state of ci/deploy/requirements.txt, in the folder
# DEPLOY_ENVIRONMENT (.venv-deploy), by PYTHON (python3), which is 3.11 to 3.13. Without arguments only the environment
# is made.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/deploy"
environment="${DEPLOY_ENVIRONMENT:-.venv-deploy}"
if ! cmp -s "$here/requirements.txt" "$environment/requirements.txt"; then
    "${PYTHON:-python3}" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' ||
        { echo "Error: Python 3.11, 3.12 or 3.13 is needed: PYTHON=python3.11 bash $0" >&2; exit 1; }
    echo "Installing into $environment ..."
    [ -e "$environment" ] || trap 'rm -rf "$environment"' EXIT # nothing is left of an install that fails
    rm -f "$environment/requirements.txt"
    "${PYTHON:-python3}" -m venv "$environment"
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt" ||
        { echo "Error: pip cannot install the SDK, see above; its wheels are for Linux with glibc 2.35 or newer." >&2; exit 1; }
    cp "$here/requirements.txt" "$environment/"
    trap - EXIT
fi
[ $# -gt 0 ] || exit 0
ulimit -S -s 32768 2>/dev/null || true # Holoscan asks for a stack of 32 MB
export HOLOSCAN_LOG_LEVEL="${HOLOSCAN_LOG_LEVEL:-WARN}"
exec "$environment/bin/python" "$here" "$@"
