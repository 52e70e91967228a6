"""Which studies the watcher does, and how often, against an archive and a bundle of a few lines."""

import json

import pytest

from ci.archive.bundle_run import Ended
from ci.archive.orthanc import ArchiveError, ArchiveRefusal
from ci.archive.watch_folder import WatchFolder, case_of
from ci.archive.watcher import Watcher

DONE, REFUSED, FAILED = Ended("done"), Ended("refused", "series 4: a slice is missing."), Ended("failed", "status 9")


class Archive:
    """Studies with series, what happened to them, and what was stored."""

    def __init__(self):
        self.series, self.changes, self.stored, self.has = {}, [], [], False
        self.error = self.error_of_fetch = None

    def add(self, study, *instances, kind="MR"):
        series = {"MainDicomTags": {"Modality": kind, "SeriesInstanceUID": kind}, "Instances": list(instances)}
        self.series.setdefault(study, []).append(series)
        self.changes.append(study)

    def stable_studies(self, since):
        yield self.changes[since:], len(self.changes)

    def study(self, study):
        return ({"MainDicomTags": {"StudyInstanceUID": study}}, self.series[study]) if study in self.series else None

    def fetch(self, series, folder):
        if self.error_of_fetch:
            raise self.error_of_fetch
        folder.mkdir()
        for one in series:
            for instance in one["Instances"]:
                (folder / instance).touch()

    def store(self, file):
        if self.error:
            raise self.error
        self.stored.append(file.read_text())

    def has_result(self, series, name, version):
        return self.has


class Bundle:
    """Ends as it is told to, and writes which images it was given."""

    name, version = "a bundle", "0.1.0"

    def __init__(self, case):
        self.ends, self.runs, self.case = [], [], case

    def on(self, study, results):
        self.runs.append(sorted(file.name for file in study.iterdir()))
        end = self.ends.pop(0) if self.ends else DONE
        if isinstance(end, BaseException):
            raise end
        if end == DONE:
            (results / self.case).mkdir(parents=True)
            (results / self.case / f"{self.case}_seg.dcm").write_text(" ".join(self.runs[-1]))
        return end


CASE = case_of({"MainDicomTags": {"StudyInstanceUID": "1.2.3"}})


@pytest.fixture
def archive():
    there = Archive()
    there.add("1.2.3", "a", "b")
    return there


@pytest.fixture
def bundle():
    return Bundle(CASE)


@pytest.fixture
def watcher(archive, bundle, tmp_path):
    """Give a function that starts a watcher, as after a crash or a night."""
    return lambda **options: Watcher(archive, bundle, WatchFolder(tmp_path / "out"), **options)


def outcome(tmp_path):
    return json.loads((tmp_path / "out" / CASE / "outcome.json").read_text())


def test_a_study_is_done_once_also_after_its_own_segmentation_and_a_restart(archive, bundle, watcher, tmp_path):
    watcher().catch_up()
    archive.add("1.2.3", "ours", kind="SEG")
    watcher().catch_up()
    (tmp_path / "out" / "position").unlink()
    watcher().catch_up()
    assert bundle.runs == [["a", "b"]]
    assert archive.stored == ["a b"]
    assert outcome(tmp_path)["outcome"] == "done"


def test_a_study_with_new_images_is_done_again(archive, bundle, watcher):
    watcher().catch_up()
    archive.has = True
    archive.add("1.2.3", "c")
    watcher().catch_up()
    assert archive.stored == ["a b", "a b c"]


def test_a_study_whose_outcome_was_lost_is_not_done_if_the_archive_has_the_result(archive, bundle, watcher, tmp_path):
    archive.has = True
    watcher().catch_up()
    assert bundle.runs == []
    assert outcome(tmp_path)["outcome"] == "done"


@pytest.mark.parametrize("when", ["within the run", "before storing", "between storing and noting"])
def test_after_a_crash_a_study_is_stored_once_and_not_run_again_once_it_ended(
    when, archive, bundle, watcher, monkeypatch
):
    first = watcher()
    with monkeypatch.context() as patch:
        if when == "within the run":
            bundle.ends = [KeyboardInterrupt()]
        elif when == "before storing":
            patch.setattr(first, "_store", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        else:
            store = first._store
            patch.setattr(first, "_store", lambda *of: (store(*of), (_ for _ in ()).throw(KeyboardInterrupt)))
        with pytest.raises(KeyboardInterrupt):
            first.catch_up()
    watcher().catch_up()
    assert len(bundle.runs) == (2 if when == "within the run" else 1)
    assert set(archive.stored) == {"a b"}  # the same file twice is one object in an archive
    assert len(archive.stored) == (2 if when == "between storing and noting" else 1)


def test_a_refused_study_keeps_its_reason_and_is_tried_again_on_demand_only(archive, bundle, watcher, tmp_path, caplog):
    caplog.set_level("INFO", "serve-archive")
    bundle.ends = [REFUSED]
    first = watcher()
    first.catch_up()
    assert outcome(tmp_path) | {"state": ""} == {
        "outcome": "refused",
        "state": "",
        "reason": "series 4: a slice is missing.",
        "tries": 1,
    }
    assert first.not_done == [CASE]
    assert caplog.messages == [f"{CASE}: refused: series 4: a slice is missing."]
    archive.changes.append("1.2.3")
    watcher().catch_up()
    assert len(bundle.runs) == 1
    archive.has = True
    watcher(again=True).catch_up()
    assert outcome(tmp_path)["outcome"] == "done"
    watcher(again=True).catch_up()
    assert len(bundle.runs) == 2


def test_a_run_that_fails_is_tried_so_often_and_no_more(bundle, watcher, tmp_path):
    bundle.ends = [FAILED] * 5
    watcher(tries=3).catch_up()
    watcher(tries=3).catch_up()
    assert len(bundle.runs) == 3
    assert (outcome(tmp_path)["outcome"], outcome(tmp_path)["reason"]) == ("failed", "status 9")


def test_a_study_that_ends_the_watcher_every_time_is_left_alone(bundle, watcher, tmp_path):
    bundle.ends = [KeyboardInterrupt()] * 9
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            watcher().catch_up()
    watcher().catch_up()
    assert outcome(tmp_path)["reason"] == "the watcher was ended 2 times within it"
    assert not list((tmp_path / "out").glob(".fetched*"))


def test_an_archive_that_refuses_the_result_does_not_hold_up_the_others(archive, bundle, watcher, tmp_path):
    archive.error = ArchiveRefusal("http://a: answers with status 507 (full).")
    watcher().catch_up()
    assert outcome(tmp_path)["reason"] == "http://a: answers with status 507 (full)."


@pytest.mark.parametrize("at", ["error", "error_of_fetch"])
def test_an_archive_that_goes_away_is_no_try_and_the_study_is_done_later(at, archive, bundle, watcher, tmp_path):
    setattr(archive, at, ArchiveError("http://a: gives no answer."))
    for _ in range(5):
        with pytest.raises(ArchiveError):
            watcher().catch_up()
    setattr(archive, at, None)
    watcher().catch_up()
    assert outcome(tmp_path)["outcome"] == "done"
    assert len(bundle.runs) == 1


def test_a_study_without_mr_is_passed_over(archive, bundle, watcher, tmp_path):
    archive.series["1.2.3"][0]["MainDicomTags"]["Modality"] = "CT"
    watcher().catch_up()
    assert bundle.runs == []
    assert WatchFolder(tmp_path / "out").position == 1
