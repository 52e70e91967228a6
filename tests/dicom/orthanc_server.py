"""Debian's Orthanc on loopback, and what its DICOMweb plug-in is asked, for tests."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.parser import BytesParser
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
PROGRAM = Path("/usr/sbin/Orthanc")
USER, PASSWORD = "watcher", "let-me-in"
MARK = "a-boundary"


def is_installed() -> bool:
    return PLUGIN.is_file() and os.access(PROGRAM, os.X_OK)


@contextmanager
def orthanc(folder: Path) -> Iterator[DicomWeb]:
    """Start an archive in a folder of its own, which answers on this machine only; stop it at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "Name": "test",
        "StorageDirectory": str(folder / "images"),
        "IndexDirectory": str(folder / "index"),
        "HttpPort": port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
        "StableAge": 1,
        "Locale": "C",
        "Plugins": [str(PLUGIN)],
    }
    folder.mkdir()
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([PROGRAM, folder / "orthanc.json"], stdout=log, stderr=log)
    try:
        archive = DicomWeb(f"http://127.0.0.1:{port}")
        _wait_for(archive, process)
        yield archive
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for(archive: DicomWeb, process: subprocess.Popen) -> None:
    for _ in range(600):
        try:
            archive.get("/system")
            return
        except URLError:
            assert process.poll() is None, "Orthanc ended"
            time.sleep(0.05)
    raise AssertionError("Orthanc does not answer")


class DicomWeb:
    """Store (STOW-RS), find (QIDO-RS) and retrieve (WADO-RS)."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.opener = build_opener(ProxyHandler({}))

    def get(self, path: str, content: bytes | None = None, **headers: str) -> tuple[str, bytes]:
        """Return the type and the bytes of an answer."""
        import base64

        headers["Authorization"] = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        with self.opener.open(Request(self.url + path, content, headers), timeout=60) as answer:
            return answer.headers["Content-Type"], answer.read()

    def store(self, *files: Path) -> None:
        parts = [
            b"--%b\r\nContent-Type: application/dicom\r\n\r\n%b\r\n" % (MARK.encode(), file.read_bytes())
            for file in files
        ]
        kind = f'multipart/related; type="application/dicom"; boundary={MARK}'
        self.get("/dicom-web/studies", b"".join(parts) + b"--%b--" % MARK.encode(), **{"Content-Type": kind})

    def find(self, study: str, modality: str) -> list[str]:
        """Return the paths of the instances of a study's series of one modality."""
        series = json.loads(self.get(f"/dicom-web/studies/{study}/series?Modality={modality}")[1])
        paths = []
        for uid in (one["0020000E"]["Value"][0] for one in series):
            place = f"/dicom-web/studies/{study}/series/{uid}/instances"
            paths += [f"{place}/{one['00080018']['Value'][0]}" for one in json.loads(self.get(place)[1])]
        return sorted(paths)

    def retrieve(self, path: str) -> bytes:
        kind, content = self.get(path, Accept='multipart/related; type="application/dicom"')
        message = BytesParser().parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + content)
        (part,) = message.get_payload()
        return part.get_payload(decode=True)

    def wait_until_stable(self, count: int) -> None:
        """Wait until so many studies no longer change."""
        for _ in range(600):
            studies = json.loads(self.get("/studies?expand")[1])
            if len(studies) == count and all(study["IsStable"] for study in studies):
                return
            time.sleep(0.05)
        raise AssertionError("the studies do not become stable")
