"""Scripts that make an environment, with a stand-in for Python."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

SCRIPTS = {"ci/deploy.sh": ".venv-deploy", "ci/label.sh": ".venv-label", "ci/environment.sh": ".venv"}
REQUIREMENTS = {"ci/deploy.sh": "ci/deploy/requirements.txt", "ci/label.sh": "ci/label/requirements.txt"}
PYTHON = """#!/bin/sh
echo "$*" >>"{log}"
case "$*" in
    -c*version_info*) exit {other_version} ;;
    "-m venv "*) sleep {venv_sleeps}; mkdir -p "$3/bin"; touch "$3/pyvenv.cfg"; cp "$0" "$3/bin/python" ;;
    *"pip install"*) sleep {pip_sleeps}; exit {pip_fails} ;;
    -c*sysconfig*) dirname "$0" ;;
esac
"""


class Site:
    """A copy of the scripts, and a Python that does as it is told."""

    def __init__(self, script, folder):
        self.script, self.folder = script, folder
        self.environment = folder / SCRIPTS[script]
        self.requirements = folder / REQUIREMENTS.get(script, "requirements.txt")
        for name in ("ci/environment_of.sh", script, self.requirements.relative_to(folder)):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(name, folder / name)

    def start(self, **answers):
        """Start the script."""
        (self.folder / "log").write_text("")
        python = self.folder / "python"
        told = {"other_version": 0, "venv_sleeps": 0, "pip_fails": 0, "pip_sleeps": 0, "log": self.folder / "log"}
        told |= answers
        python.write_text(PYTHON.format(**told))
        python.chmod(0o755)
        return subprocess.Popen(
            ["bash", "-e", self.script],
            cwd=self.folder,
            env={name: value for name, value in os.environ.items() if not name.endswith("_ENVIRONMENT")}
            | {"PYTHON": str(python)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, **answers):
        """Run the script; return its status, and what it said of errors."""
        process = self.start(**answers)
        _, errors = process.communicate()
        return process.returncode, errors

    def calls(self):
        """What Python was asked for."""
        return (self.folder / "log").read_text().splitlines()


@pytest.fixture(params=SCRIPTS)
def site(request, tmp_path):
    return Site(request.param, tmp_path)


def test_another_python_is_refused(site):
    status, said = site.run(other_version=1)
    assert status == 1
    assert re.fullmatch(r"Error: Python 3\.11( to 3\.13| or newer)? is needed: PYTHON=python3\.11 bash .*\n", said)
    assert not site.environment.exists()


def test_an_environment_of_the_users_own_is_filled_and_never_removed(site):
    site.environment.mkdir()
    (site.environment / "pyvenv.cfg").touch()
    (site.environment / "own").touch()
    assert site.run(pip_fails=1)[0] == 1
    assert site.run()[0] == 0
    assert (site.environment / "own").exists()
    assert site.run()[0] == 0
    assert not site.calls()


def test_an_install_that_fails_leaves_nothing_and_is_tried_again(site):
    status, said = site.run(pip_fails=1)
    assert status == 1
    assert said.splitlines()[-1].startswith("Error: pip cannot install")
    assert not site.environment.exists()
    assert site.run() == (0, "")
    assert (site.environment / "requirements.txt").read_bytes() == site.requirements.read_bytes()
    assert not (site.environment / "incomplete").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("step", ["venv", "pip"])
def test_a_killed_install_is_not_taken_for_complete_and_starts_again_with_an_empty_folder(site, step, number):
    """pip takes a half-written package for a whole one. A script that is killed outright cannot remove the folder."""
    process = site.start(**{f"{step}_sleeps": 30})
    while not any(call.startswith(f"-m {step} ") for call in site.calls()):
        assert process.poll() is None
        time.sleep(0.01)
    half = site.environment / "half_a_package"
    half.touch()
    os.killpg(process.pid, number)
    process.communicate()
    assert process.returncode == -number
    assert half.exists() == (number == signal.SIGKILL)
    assert not (site.environment / "requirements.txt").exists()
    assert site.run() == (0, "")
    assert not half.exists()
    assert (site.environment / "requirements.txt").is_file()


def test_an_update_that_fails_keeps_the_folder_and_is_tried_again(site):
    assert site.run() == (0, "")
    (site.environment / "requirements.txt").write_text("older")
    (site.environment / "own_package").touch()
    assert site.run(pip_fails=1)[0] == 1
    assert {path.name for path in site.environment.iterdir()} >= {"bin", "incomplete", "own_package"}
    assert site.run() == (0, "")


def test_a_folder_of_other_files_is_refused_and_left_as_it_is(site):
    site.environment.mkdir()
    (site.environment / "thesis.txt").touch()
    status, said = site.run()
    assert status == 1
    assert said.endswith("has other files and no Python environment; name another folder, or remove it.\n")
    assert [path.name for path in site.environment.iterdir()] == ["thesis.txt"]


def test_a_second_time_nothing_is_installed_unless_the_file_of_requirements_has_changed(site):
    assert site.run() == (0, "")
    assert site.run(other_version=1, pip_fails=1) == (0, "")
    assert site.calls() == []
    site.requirements.write_text(site.requirements.read_text() + "another==1.0\n")
    assert site.run() == (0, "")
    assert any("pip install" in call and "requirements.txt" in call for call in site.calls())
    assert "another" in (site.environment / "requirements.txt").read_text()


def test_the_file_of_requirements_names_the_version_that_label_installs_apart():
    """So an environment with another version is rebuilt."""
    version = re.search(r"monailabel==(\S+)", Path("ci/label.sh").read_text())[1]
    assert f"monailabel {version} " in Path("ci/label/requirements.txt").read_text()
