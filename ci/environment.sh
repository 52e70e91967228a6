# Sourced by the other commands, from the repository's root: makes .venv once per state of requirements.txt.
if [ ! -f .venv/requirements.txt ] || ! cmp -s requirements.txt .venv/requirements.txt; then
    "${PYTHON:-python3}" -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' ||
        { echo "Python 3.11 or newer is needed: PYTHON=python3.11 bash $0" >&2; exit 1; }
    echo "Installing into .venv ..."
    "${PYTHON:-python3}" -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
    cp requirements.txt .venv/requirements.txt
fi
python=.venv/bin/python
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
