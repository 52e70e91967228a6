# Sourced by the scripts that make an environment:
#     environment_of FOLDER REQUIREMENTS VERSIONS CONDITION [FURTHER]
# makes FOLDER by PYTHON (python3), once per state of the file REQUIREMENTS. VERSIONS tells a person which Python is
# needed, CONDITION checks it as `python`. FURTHER installs what a file of requirements cannot say: a function that gets
# the environment's Python. An environment with a copy of the file is complete. An install that fails leaves no new
# folder behind. After one that was killed, the next one starts with an empty folder. A folder of other files is refused.
environment_of() {
    local folder="$1" requirements="$2" versions="$3" condition="$4" further="${5:-true}"
    ! cmp -s "$requirements" "$folder/requirements.txt" || return 0
    "${PYTHON:-python3}" -c "import sys; python = sys.version_info[:2]; sys.exit(not ($condition))" ||
        { echo "Error: Python $versions is needed: PYTHON=python3.11 bash $0" >&2; exit 1; }
    [ ! -e "$folder" ] || [ -e "$folder/pyvenv.cfg" ] || [ -e "$folder/incomplete" ] || [ -z "$(ls -A "$folder")" ] ||
        { echo "Error: $folder has other files and no Python environment; name another folder, or remove it." >&2; exit 1; }
    echo "Installing into $folder ..."
    [ ! -e "$folder/incomplete" ] || rm -rf "$folder" # pip takes a half-written package for a whole one
    [ -e "$folder" ] || trap "rm -rf $(printf %q "$folder")" EXIT
    mkdir -p "$folder"
    # an environment that none of these scripts made is filled, and never removed
    [ -e "$folder/pyvenv.cfg" ] && [ ! -e "$folder/requirements.txt" ] || touch "$folder/incomplete"
    rm -f "$folder/requirements.txt"
    "${PYTHON:-python3}" -m venv "$folder"
    install_into "$folder/bin/python" -r "$requirements"
    "$further" "$folder/bin/python"
    cp "$requirements" "$folder/requirements.txt"
    rm -f "$folder/incomplete"
    trap - EXIT
}

# install_into PYTHON ARGUMENTS_OF_PIP ...
install_into() {
    "$1" -m pip install --quiet --disable-pip-version-check "${@:2}" ||
        { echo "Error: pip cannot install ${*:2}, see above." >&2; exit 1; }
}
