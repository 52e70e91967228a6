"""The client against a server on loopback that misbehaves."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ci.archive import orthanc
from ci.archive.orthanc import ArchiveError, ArchiveRefusal, Orthanc
from shared.errors import InputError


@pytest.fixture
def server(monkeypatch):
    """Answers: {path: list of (status, headers, content), the last of which is given again and again}."""
    monkeypatch.setattr(orthanc, "SECONDS_BETWEEN", 0.0)
    answers, seen = {}, []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append((self.path, dict(self.headers)))
            queue = answers[self.path]
            status, headers, content = queue.pop(0) if len(queue) > 1 else queue[0]
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *words):
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    running.url, running.answers, running.seen = f"http://127.0.0.1:{running.server_port}", answers, seen
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def says(content, status=200, **headers):
    return status, headers, content if isinstance(content, bytes) else json.dumps(content).encode()


def test_user_and_password_go_to_the_archive(server):
    server.answers["/system"] = [says({"Name": "x"})]
    assert Orthanc(server.url + "/", "a", "b:c").ask("/system") == {"Name": "x"}
    ((_, headers),) = server.seen
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")) == b"a:b:c"


def test_no_proxy_and_no_redirection_is_followed(server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    server.answers["/system"] = [says({}, status=302, Location="/elsewhere")]
    server.answers["/elsewhere"] = [says({})]
    with pytest.raises(ArchiveRefusal, match="answers with status 302"):
        Orthanc(server.url).ask("/system")
    assert [path for path, _ in server.seen] == ["/system"]


def test_changes_are_read_page_by_page_and_only_stable_studies_count(server):
    def change(seq, kind):
        return {"Seq": seq, "ID": f"study{seq}", "ChangeType": kind}

    first = {"Changes": [change(1, "NewStudy"), change(2, "StableStudy")], "Last": 2, "Done": False}
    second = {"Changes": [change(7, "StableStudy"), change(8, "StableSeries")], "Last": 8, "Done": True}
    server.answers["/changes?since=0&limit=1000"] = [says(first)]
    server.answers["/changes?since=2&limit=1000"] = [says(second)]
    assert list(Orthanc(server.url).stable_studies(0)) == [(["study2"], 2), (["study7"], 8)]


def test_an_archive_that_was_emptied_is_read_from_the_beginning(server):
    """Orthanc answers with its last change, whatever is asked for."""
    server.answers["/changes?since=99&limit=1000"] = [says({"Changes": [], "Last": 4, "Done": True})]
    changes = [{"Seq": 4, "ID": "new", "ChangeType": "StableStudy"}]
    server.answers["/changes?since=0&limit=1000"] = [says({"Changes": changes, "Last": 4, "Done": True})]
    assert list(Orthanc(server.url).stable_studies(99)) == [(["new"], 4)]


def test_an_answer_that_may_pass_is_asked_for_again_but_not_for_ever(server):
    server.answers["/a"] = [says(b"busy", status=503), says({"there": 1})]
    assert Orthanc(server.url).ask("/a") == {"there": 1}
    server.answers["/b"] = [says(b"busy", status=503)]
    with pytest.raises(ArchiveRefusal, match="answers with status 503"):
        Orthanc(server.url).ask("/b")
    assert [path for path, _ in server.seen].count("/b") == orthanc.TRIES


def test_an_image_that_arrives_in_part_is_fetched_again(server, tmp_path):
    server.answers["/instances/i/file"] = [says(b"12", **{"Content-Length": "4"}), says(b"1234")]
    Orthanc(server.url).fetch([{"Instances": ["i"]}], tmp_path / "study")
    assert (tmp_path / "study" / "0" / "0.dcm").read_bytes() == b"1234"


def test_a_study_that_changes_or_is_gone_is_none(server):
    server.answers["/studies/a"] = [says({"IsStable": False})]
    server.answers["/studies/b"] = [says({}, status=404)]
    assert Orthanc(server.url).study("a") is None
    assert Orthanc(server.url).study("b") is None


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({}, True),
        ({"SoftwareVersions": "0.2.0"}, False),
        ({"ManufacturerModelName": "another"}, False),
        ({"ReferencedSeriesSequence": [{"SeriesInstanceUID": "3"}]}, False),
    ],
)
def test_a_result_is_a_segmentation_by_this_algorithm_and_version_of_a_series_of_the_study(server, tags, expected):
    ours = {
        "ManufacturerModelName": "n" * 64,
        "SoftwareVersions": "0.1.0",
        "ReferencedSeriesSequence": [{"SeriesInstanceUID": "1"}],
    }
    server.answers["/instances/seg/simplified-tags"] = [says({**ours, **tags})]
    series = [
        {"MainDicomTags": {"SeriesInstanceUID": "1", "Modality": "MR"}, "Instances": ["image"]},
        {"MainDicomTags": {"SeriesInstanceUID": "2", "Modality": "SEG"}, "Instances": ["seg"]},
    ]
    assert Orthanc(server.url).has_result(series, "n" * 70, "0.1.0") is expected


def test_errors_name_what_to_do(server):
    server.answers["/system"] = [says({}, status=401)]
    with pytest.raises(ArchiveError, match=r"refuses the user \(status 401\); set ARCHIVE_USER and ARCHIVE_PASSWORD"):
        Orthanc(server.url).ask("/system")
    with pytest.raises(ArchiveError, match=r"127.0.0.1:9: gives no answer \(.*refused\); start the archive"):
        Orthanc("http://127.0.0.1:9").ask("/system")
    with pytest.raises(InputError, match=r"expected a URL such as http://127.0.0.1:8042, got 'localhost:8042'"):
        Orthanc("localhost:8042")
    with pytest.raises(InputError, match="holds a user, which others would see") as refused:
        Orthanc("http://me:secret@127.0.0.1:8042")
    assert "secret" not in str(refused.value)
