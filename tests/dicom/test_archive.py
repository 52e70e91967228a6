"""A study through a real archive: stored, segmented by the packed prostate bundle, and its Segmentation found again."""

from __future__ import annotations

import gzip
import io
import json
import logging
import os
import shutil
import socket
import subprocess
import zipfile
from pathlib import Path

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest
from entry_points import save_tiny_weights
from orthanc_server import PASSWORD, USER, is_installed, orthanc
from study_files import AXIAL, ID, NAME, T2, change, painted, write_prostate_study, write_series

from ci.archive import serve_archive
from ci.release.pack import pack
from shared.errors import InputError

BUNDLE = Path("bundles/prostate_mri_segmentation_expert_consistency").resolve()
REAL = Path(os.environ.get("SEGMENTATION_DATA", "nowhere"), "prostate_dicom", "ProstateX-0000")
WORDS = (*NAME.split("^"), ID)
RUN_OFFLINE = """
import runpy, socket, sys
opened = []
def refuse(event, values):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname"):
        opened.append(event)
        raise PermissionError(event)
sys.addaudithook(refuse)
sys.argv = ["monai.bundle", *sys.argv[1:]]
runpy.run_module("monai.bundle", run_name="__main__")
assert opened == [], opened
try:
    socket.create_connection(("127.0.0.1", 9))
except PermissionError:
    sys.exit(0)
sys.exit("the hook does not see connections")
"""
needs_orthanc = pytest.mark.skipif(not is_installed(), reason="needs Orthanc: bash ci/orthanc.sh installs it")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The real study, under a name that can be searched for; without it a painted one."""
    folder = tmp_path_factory.mktemp("study")
    if REAL.is_dir():
        shutil.copytree(REAL, folder, dirs_exist_ok=True)
        for file in folder.rglob("*.dcm"):
            file.chmod(0o644)
            change(file, PatientName=NAME, PatientID=ID)
    else:
        write_prostate_study(folder)
    return folder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """The packed bundle, unpacked elsewhere, and the settings of a small network that is not trained."""
    folder = tmp_path_factory.mktemp("bundle")
    with zipfile.ZipFile(pack(BUNDLE, folder)) as packed:
        packed.extractall(folder)
    settings = {"ckpt_path": str(save_tiny_weights(BUNDLE, folder / "tiny.pt")), "resample_modalities": True}
    return folder / BUNDLE.name, settings


def words_of_patient(folder):
    """Return the files below a folder, but for DICOM, that hold or bear the patient's name or id."""
    found = []
    for file in folder.rglob("*"):
        content = file.read_bytes() if file.is_file() and file.suffix != ".dcm" else b""
        content = gzip.decompress(content) if file.suffix == ".gz" else content
        text = f"{file.relative_to(folder)} {content.decode('utf-8', errors='replace')}"
        found += [file] * any(word.lower() in text.lower() for word in WORDS)
    return found


def dice_in_world(segmentation, nifti):
    """Compare segments with the classes of a label map by the positions of their voxels; return the smaller Dice."""
    volume = highdicom.seg.segread(segmentation).get_volume(combine_segments=True)
    label_map = nibabel.load(nifti)
    classes = np.asarray(label_map.dataobj)
    to_voxels = np.linalg.inv(label_map.affine) @ np.diag([-1, -1, 1, 1]) @ volume.affine
    found = np.argwhere(np.asarray(volume.array) > 0)
    voxels = (found @ to_voxels[:3, :3].T + to_voxels[:3, 3]).round().astype(int)
    moved = np.zeros_like(classes)
    moved[tuple(voxels.T)] = np.asarray(volume.array)[tuple(found.T)]
    assert set(np.unique(classes)) == {0, 1, 2}, "the network finds nothing; give it other weights"
    return min(2 * ((moved == n) & (classes == n)).sum() / ((moved == n).sum() + (classes == n).sum()) for n in (1, 2))


@pytest.fixture(scope="module")
def of_t2(study, bundle, forked_python, tmp_path_factory):
    """Results of T2 alone, from a run that could open no connection."""
    folder, settings = bundle
    out = tmp_path_factory.mktemp("of_t2")
    files = [str(folder / "configs" / f"{name}.json") for name in ("inference", "inference_tiny")]
    settings = {**settings, "bundle_root": folder, "dicom_dir": study, "output_dir": out, "series": {"adc": None}}
    options = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    arguments = ["run", "--config_file", str(files), *options, "--dicom_seg", "True", "--dicom_sr", "True"]
    ended = forked_python.run(["-c", RUN_OFFLINE, *arguments], folder=out.parent)
    assert ended.status == 0, ended.output + ended.errors
    (results,) = out.glob("study_*")
    return results, ended


def test_inference_opens_no_connection_and_names_nobody(of_t2):
    """The run itself asserts the first."""
    results, ended = of_t2
    assert not [word for word in WORDS if word in ended.output + ended.errors]
    assert words_of_patient(results.parent) == []
    names = {file.name.removeprefix(results.name) for file in results.iterdir()}
    assert names == {"_seg.nii.gz", "_uncertainty.nii.gz", "_overlay.png", ".json", "_seg.dcm", "_sr.dcm"}


@pytest.fixture(scope="module")
def archive(study, tmp_path_factory):
    """An archive with the study, and with another of two slices."""
    with orthanc(tmp_path_factory.mktemp("archive") / "orthanc") as running:
        running.store(*study.rglob("*.dcm"))
        other = write_series(tmp_path_factory.mktemp("other"), painted((8, 8, 2)), AXIAL, 1, "loc", **T2)
        for file in other:
            change(file, StudyInstanceUID="1.2.826.0.1.99", SeriesInstanceUID="1.2.826.0.1.99.1")
        running.store(*other)
        running.wait_until_stable(2)
        yield running


@pytest.fixture(scope="module")
def watch(archive, bundle, forked_python, tmp_path_factory):
    """Give a function that lets the watcher catch up, and returns what it logged, raised and connected to."""
    folder, settings = bundle
    out, empty = tmp_path_factory.mktemp("watched"), tmp_path_factory.mktemp("empty")

    def run(command, **options):
        ended = forked_python.run(command[1:], folder=empty)
        return subprocess.CompletedProcess(command, ended.status, stderr=ended.errors.encode())

    def catch_up():
        log, connections, runs = io.StringIO(), set(), []
        handler = logging.StreamHandler(log)
        serve_archive.logger.addHandler(handler)
        with pytest.MonkeyPatch.context() as patch:
            connect = socket.socket.connect
            patch.setattr(socket.socket, "connect", lambda *end: (connections.add(end[1]), connect(*end))[1])
            patch.setattr(subprocess, "run", lambda command, **options: (runs.append(command), run(command))[1])
            patch.setenv("ARCHIVE_USER", USER)
            patch.setenv("ARCHIVE_PASSWORD", PASSWORD)
            patch.setenv("http_proxy", "http://127.0.0.1:9")
            patch.setattr(serve_archive.signal, "signal", lambda *handling: None)
            raised = ""
            try:
                serve_archive.main(
                    str(folder), archive.url, str(out), overlays="inference_tiny", once=True, dicom_sr=True, **settings
                )
            except InputError as error:
                raised = str(error)
        serve_archive.logger.removeHandler(handler)
        return log.getvalue(), raised, connections, len(runs)

    catch_up.out = out
    return catch_up


@pytest.fixture(scope="module")
def watched(watch):
    return watch()


@needs_orthanc
def test_the_watcher_stores_a_segmentation_that_a_query_finds_and_that_is_the_label_map(archive, watch, watched):
    _, _, connections, runs = watched
    assert runs == 2
    assert {f"http://{host}:{port}" for host, port in connections} == {archive.url}
    (nifti,) = watch.out.glob("*/*_seg.nii.gz")
    record = json.loads((nifti.parent / f"{nifti.parent.name}.json").read_text())
    assert record["modalities_found"] == ["t2", "adc"]
    uid = pydicom.dcmread(next(nifti.parent.glob("*_seg.dcm"))).StudyInstanceUID
    (found,) = archive.find(uid, "SEG")
    assert len(archive.find(uid, "SR")) == 1
    assert dice_in_world(io.BytesIO(archive.retrieve(found)), nifti) >= 0.99


@needs_orthanc
def test_what_is_refused_leaves_its_reason_and_nothing_names_the_patient(watch, watched):
    log, raised, _, _ = watched
    refused = [json.loads(file.read_text()) for file in watch.out.glob("*/outcome.json")]
    (reason,) = [found["reason"] for found in refused if found["outcome"] == "refused"]
    assert reason.startswith("dicom_dir: none of its 1 series fits t2 or adc")
    assert reason in log
    assert raised.startswith("1 studies not done: study_")
    assert log.count("\n") == 2  # a line per study
    assert not [word for word in WORDS if word in log + raised]
    assert words_of_patient(watch.out) == []
    assert not list(watch.out.glob(".fetched*"))


@needs_orthanc
def test_a_study_is_done_once(archive, watch, watched):
    """Again: after its own Segmentation has made the study stable anew, and when all that the watcher knew is lost."""
    archive.wait_until_stable(2)
    assert watch()[3] == 0
    for file in watch.out.glob("*"):
        if file.is_dir():
            shutil.rmtree(file)
        else:
            file.unlink()
    log, _, _, runs = watch()
    assert runs == 1  # the refused one
    assert "has its Segmentation in the archive" in log


@needs_orthanc
def test_t2_alone_through_dicomweb(archive, watched, of_t2):
    results, _ = of_t2
    (file,), (nifti,) = results.glob("*_seg.dcm"), results.glob("*_seg.nii.gz")
    archive.store(file)
    stored = pydicom.dcmread(file)
    (found,) = [path for path in archive.find(stored.StudyInstanceUID, "SEG") if stored.SOPInstanceUID in path]
    assert dice_in_world(io.BytesIO(archive.retrieve(found)), nifti) >= 0.99
