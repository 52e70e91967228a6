"""The few requests to Orthanc's REST interface that the watcher needs."""

from __future__ import annotations

import base64
import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from shared.dicom.volume_report import MOST_LETTERS
from shared.errors import InputError

__all__ = ["ArchiveError", "ArchiveRefusal", "Orthanc"]

TRIES = 3
SECONDS_BETWEEN = 1.0  # doubled from try to try
SECONDS_FOR_AN_ANSWER = 60.0
MOST_CHANGES = 1000  # in one answer
MAY_PASS = (408, 429, 500, 502, 503, 504)  # statuses that another try may not meet


class ArchiveError(InputError):
    """The archive gives no answer, or refuses the user."""


class ArchiveRefusal(ArchiveError):
    """The archive answers, but does not do what it was asked for."""


class _StayHere(HTTPRedirectHandler):
    """Follow no redirection: images and password go to the archive that was named, and nowhere else."""

    def redirect_request(self, *arguments: Any) -> None:
        return None


class Orthanc:
    """An archive.

    Proxies of the environment are not used, and redirections are not followed.

    Args:
        url: such as http://127.0.0.1:8042.
        user: for basic authentication; "" for none.
        password: of the user.

    Raises:
        InputError: the URL is no http or https, or holds a password.
    """

    def __init__(self, url: str, user: str = "", password: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"--archive: expected a URL such as http://127.0.0.1:8042, got {url!r}.")
        if "@" in parts.netloc:
            raise InputError(
                "--archive: holds a user, which others would see in the list of processes; "
                "set ARCHIVE_USER and ARCHIVE_PASSWORD in the environment."
            )
        self.url = url.rstrip("/")
        self.headers = {}
        if user:
            self.headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.opener = build_opener(ProxyHandler({}), _StayHere())

    def stable_studies(self, since: int) -> Iterator[tuple[list[str], int]]:
        """Walk over what happened in the archive after a change.

        Args:
            since: number of the last change that was seen; 0: from the beginning.

        Yields:
            The archive's ids of studies that became stable, and the number of the last change up to there.
        """
        is_last = False
        while not is_last:
            page = self.ask(f"/changes?since={since}&limit={MOST_CHANGES}")
            if page["Last"] < since:  # the archive was emptied, and counts anew
                since = 0
                continue
            since, is_last = page["Last"], page["Done"]
            yield [change["ID"] for change in page["Changes"] if change["ChangeType"] == "StableStudy"], since

    def study(self, study: str) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
        """Return a study and its series, or None where it is gone or still changes."""
        try:
            found = self.ask(f"/studies/{study}")
            return (found, self.ask(f"/studies/{study}/series")) if found["IsStable"] else None
        except _NotThere:
            return None

    def fetch(self, series: Sequence[Mapping[str, Any]], folder: Path) -> None:
        """Write the files of series; their names are numbers."""
        for number, one in enumerate(series):
            (folder / str(number)).mkdir(parents=True)
            for index, instance in enumerate(one["Instances"]):
                self._request(f"/instances/{instance}/file", into=folder / str(number) / f"{index}.dcm")

    def store(self, file: Path) -> None:
        """Store a file. That it is there already is no error."""
        self.ask("/instances", file.read_bytes())

    def has_result(self, series: Sequence[Mapping[str, Any]], name: str, version: str) -> bool:
        """Whether one of a study's series is a Segmentation by an algorithm that refers to another of them.

        Args:
            series: of the study.
            name: of the algorithm.
            version: of the algorithm.
        """
        there = {one["MainDicomTags"]["SeriesInstanceUID"] for one in series}
        for one in series:
            if one["MainDicomTags"].get("Modality") == "SEG":
                tags = self.ask(f"/instances/{one['Instances'][0]}/simplified-tags")
                source = {item.get("SeriesInstanceUID") for item in tags.get("ReferencedSeriesSequence") or ()}
                by = (tags.get("ManufacturerModelName"), tags.get("SoftwareVersions"))
                if source & there and by == (name[:MOST_LETTERS].strip(), version):
                    return True
        return False

    def ask(self, path: str, content: bytes | None = None) -> Any:
        """Return the JSON of an answer; with `content` it is sent."""
        return json.loads(self._request(path, content))

    def _request(self, path: str, content: bytes | None = None, into: Path | None = None) -> bytes:
        for attempt in range(TRIES):
            try:
                request = Request(self.url + path, content, self.headers)
                with self.opener.open(request, timeout=SECONDS_FOR_AN_ANSWER) as answer:
                    if into is None:
                        return answer.read()
                    with into.open("wb") as file:
                        shutil.copyfileobj(answer, file)
                    _check_length(answer.headers.get("Content-Length"), into)
                    return b""
            except HTTPError as error:
                if error.code not in MAY_PASS or attempt == TRIES - 1:
                    raise _refused(self.url, error) from error
            except (URLError, HTTPException, ConnectionError, TimeoutError) as error:
                if attempt == TRIES - 1:
                    reason = getattr(error, "reason", error)
                    raise ArchiveError(
                        f"{self.url}: gives no answer ({reason}); start the archive or correct --archive."
                    ) from error
            time.sleep(SECONDS_BETWEEN * 2**attempt)
        raise AssertionError("the last try returns or raises")


def _check_length(announced: str | None, file: Path) -> None:
    """Refuse an answer that ended early, which copying does not notice."""
    if announced is not None and file.stat().st_size != int(announced):
        raise ConnectionError("the connection ended within an image")


class _NotThere(ArchiveRefusal):
    """There is no such study."""


def _refused(url: str, error: HTTPError) -> ArchiveError:
    if error.code == 404:
        return _NotThere(f"{url}: has no such object (status 404); --archive is the address of an Orthanc's REST.")
    if error.code in (401, 403):
        return ArchiveError(
            f"{url}: refuses the user (status {error.code}); set ARCHIVE_USER and ARCHIVE_PASSWORD in the environment."
        )
    return ArchiveRefusal(f"{url}: answers with status {error.code} ({error.reason}); look into the archive's log.")
