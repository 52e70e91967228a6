#!/usr/bin/env bash
# Serves a bundle by MONAI Label 0.8.5, on this machine only:
#     bash ci/label.sh --bundle bundles/<name> --studies IMAGES [--only_modality t1ce] [--port 8000]
# MONAI Label has an environment of its own, made once per state of ci/label/requirements.txt, in the folder
# LABEL_ENVIRONMENT (.venv-label), by PYTHON (python3), which is 3.11. Without arguments only the environment is made.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
environment="${LABEL_ENVIRONMENT:-.venv-label}"
if ! cmp -s "$here/label/requirements.txt" "$environment/requirements.txt"; then
    "${PYTHON:-python3}" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' ||
        { echo "Error: Python 3.11 is needed: PYTHON=python3.11 bash $0" >&2; exit 1; }
    echo "Installing into $environment ..."
    [ -e "$environment" ] || trap 'rm -rf "$environment"' EXIT # nothing is left of an install that fails
    rm -f "$environment/requirements.txt"
    "${PYTHON:-python3}" -m venv "$environment"
    python="$environment/bin/python"
    { "$python" -m pip install --quiet --disable-pip-version-check -r "$here/label/requirements.txt" &&
        "$python" -m pip install --quiet --disable-pip-version-check --no-deps monailabel==0.8.5; } ||
        { echo "Error: pip cannot install MONAI Label into $environment, see above." >&2; exit 1; }
    # MONAI Label imports two drawing functions of torchvision, for figures of its own trainings. PyPI's torchvision
    # cannot be imported next to a CPU build of PyTorch (pytorch/vision issue 9085), so these two stand in for it.
    packages="$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
    mkdir -p "$packages/torchvision"
    echo '"""Stands in for torchvision, see ci/label.sh."""' >"$packages/torchvision/__init__.py"
    cat >"$packages/torchvision/utils.py" <<'PYTHON'
def make_grid(*_, **__):
    raise NotImplementedError("torchvision is not in this environment, see ci/label.sh")


save_image = make_grid
PYTHON
    cp "$here/label/requirements.txt" "$environment/"
    trap - EXIT
fi
[ $# -gt 0 ] || exit 0
PYTHONPATH="$(dirname "$here")" exec "$environment/bin/python" -m ci.label "$@"
