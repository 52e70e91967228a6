# Sourced by the other commands, from the repository's root: makes .venv once per state of requirements.txt.
source ci/environment_of.sh
environment_of .venv requirements.txt "3.11 or newer" "python >= (3, 11)"
python=.venv/bin/python
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
