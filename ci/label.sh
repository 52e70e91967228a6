#!/usr/bin/env bash
# Serves a bundle by MONAI Label 0.8.5, on this machine only:
#     bash ci/label.sh --bundle bundles/<name> --studies IMAGES [--only_modality t1ce] [--port 8000]
# MONAI Label has an environment of its own, made once per state of ci/label/requirements.txt, in the folder
# LABEL_ENVIRONMENT (.venv-label), by PYTHON (python3), which is 3.11. Without arguments only the environment is made.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
source "$here/environment_of.sh"
environment="${LABEL_ENVIRONMENT:-.venv-label}"

# MONAI Label imports two drawing functions of torchvision, for figures of its own trainings. PyPI's torchvision cannot
# be imported next to a CPU build of PyTorch (pytorch/vision issue 9085), so these two stand in for it.
monai_label() {
    install_into "$1" --no-deps monailabel==0.8.5
    local packages
    packages="$("$1" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
    mkdir -p "$packages/torchvision"
    echo '"""Stands in for torchvision, see ci/label.sh."""' >"$packages/torchvision/__init__.py"
    cat >"$packages/torchvision/utils.py" <<'PYTHON'
def make_grid(*_, **__):
    raise NotImplementedError("torchvision is not in this environment, see ci/label.sh")


save_image = make_grid
PYTHON
}

environment_of "$environment" "$here/label/requirements.txt" 3.11 "python == (3, 11)" monai_label
[ $# -gt 0 ] || exit 0
PYTHONPATH="$(dirname "$here")" exec "$environment/bin/python" -m ci.label "$@"
