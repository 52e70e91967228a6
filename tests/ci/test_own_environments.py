"""Scripts that make an environment of their own, with a stand-in for Python."""

import os
import subprocess

import pytest

SCRIPTS = {"ci/deploy.sh": "DEPLOY_ENVIRONMENT", "ci/label.sh": "LABEL_ENVIRONMENT"}
PYTHON = """#!/bin/sh
case "$*" in
    -c*version_info*) exit {other_version} ;;
    "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
    *"pip install"*) exit {pip_fails} ;;
    -c*sysconfig*) dirname "$0" ;;
esac
"""


@pytest.fixture(params=SCRIPTS)
def install(request, tmp_path):
    environment = tmp_path / "environment"

    def run(**answers):
        python = tmp_path / "python"
        python.write_text(PYTHON.format(**{"other_version": 0, "pip_fails": 0} | answers))
        python.chmod(0o755)
        variables = {**os.environ, "PYTHON": str(python), SCRIPTS[request.param]: str(environment)}
        ended = subprocess.run(["bash", request.param], env=variables, capture_output=True, text=True, check=False)
        return ended.returncode, ended.stderr

    return environment, run


def test_another_python_is_refused(install):
    environment, run = install
    status, said = run(other_version=1)
    assert status == 1
    assert said.startswith("Error: Python 3.11")
    assert not environment.exists()


def test_an_install_that_fails_leaves_nothing_and_is_tried_again(install):
    environment, run = install
    status, said = run(pip_fails=1)
    assert status == 1
    assert said.splitlines()[-1].startswith("Error: pip cannot install")
    assert not environment.exists()
    assert run() == (0, "")
    assert (environment / "requirements.txt").is_file()


def test_an_update_that_fails_keeps_the_folder_and_is_tried_again(install):
    environment, run = install
    environment.mkdir()
    (environment / "requirements.txt").write_text("older")
    assert run(pip_fails=1)[0] == 1
    assert [path.name for path in environment.iterdir()] == ["bin"]
    assert run() == (0, "")


def test_a_second_time_nothing_is_installed(install):
    _, run = install
    assert run() == run(other_version=1, pip_fails=1) == (0, "")
