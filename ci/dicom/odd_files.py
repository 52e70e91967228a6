"""Studies whose files are odd: missing, cut off, doubled, named strangely, or among others."""

from __future__ import annotations

import os
import random
import shutil
import zipfile

from .odd_study import OddStudy, odd


@odd("a slice is missing in the middle", refused=r"slices are missing or unevenly spaced \(steps of 6 to 12 mm\)")
def missing_slice(study: OddStudy) -> None:
    study.files["t2"][3].unlink()


@odd("the last slice of one of two series is missing", refused="they are on two grids")
def missing_last_slice_of_one(study: OddStudy) -> None:
    study.files["t2"][-1].unlink()


@odd("the last slice of one of two series is missing, brought onto one grid", warns="ends 6 mm before series 7")
def missing_last_slice_resampled(study: OddStudy) -> None:
    study.edit("t2", ImagesInAcquisition=None)
    study.files["t2"][-1].unlink()
    study.resample = True
    study.truth["t2"] = (study.truth["t2"][0][..., :-1], study.painted.affine)


@odd("the last slice of the only series is missing", warns="5 images are there, the acquisition has 6")
def missing_last_slice(study: OddStudy) -> None:
    study.remove("adc")
    study.files["t2"][-1].unlink()
    study.truth["t2"] = (study.truth["t2"][0][..., :-1], study.painted.affine)


@odd("the first slice is missing", warns=r"1 instance numbers below 6 are not there \(1\)")
def missing_first_slice(study: OddStudy) -> None:
    study.remove("adc")
    study.edit("t2", ImagesInAcquisition=None)
    study.files["t2"][0].unlink()
    affine = study.painted.affine.copy()
    affine[:3, 3] += affine[:3, 2]
    study.truth["t2"] = (study.truth["t2"][0][..., 1:], affine)


@odd("a file is cut off in its pixels", refused="005.dcm: is cut off or damaged; copy it again")
def cut_off(study: OddStudy) -> None:
    path = study.files["t2"][5]
    path.write_bytes(path.read_bytes()[:-100])


@odd("a file is cut off in its tags", refused="000.dcm: is cut off or damaged")
def cut_off_in_tags(study: OddStudy) -> None:
    path = study.files["t2"][0]
    path.write_bytes(path.read_bytes()[:700])


@odd("an empty file", refused="005.dcm: is cut off or damaged")
def empty_file(study: OddStudy) -> None:
    study.files["t2"][5].write_bytes(b"")


@odd("an empty file without suffix", refused="IM5: is cut off or damaged")
def empty_file_without_suffix(study: OddStudy) -> None:
    path = study.files["t2"][5]
    path.write_bytes(b"")
    path.rename(path.with_name("IM5"))


@odd("a text in a file called .dcm", refused="005.dcm: is cut off or damaged")
def text_as_dicom(study: OddStudy) -> None:
    study.files["t2"][5].write_text("404 Not Found")


@odd("a file is there twice", refused="000.dcm and .*copy.dcm are the same image; remove one")
def doubled_file(study: OddStudy) -> None:
    shutil.copy(study.files["t2"][0], study.files["t2"][0].with_name("copy.dcm"))


@odd("a link to a file that is gone", refused="gone.dcm: cannot be opened")
def broken_link(study: OddStudy) -> None:
    (study.folder / "gone.dcm").symlink_to(study.folder / "nowhere.dcm")


@odd("the series' folders are links")
def linked_folders(study: OddStudy) -> None:
    elsewhere = study.folder.with_name(f"{study.folder.name}_elsewhere")
    study.folder.rename(elsewhere)
    study.folder.mkdir()
    for path in elsewhere.iterdir():
        (study.folder / path.name).symlink_to(path)
        (path / "back").symlink_to(study.folder)


@odd("a named pipe among the files")
def pipe(study: OddStudy) -> None:
    os.mkfifo(study.folder / "pipe")


@odd("all series in one folder, shuffled, without .dcm")
def one_folder(study: OddStudy) -> None:
    paths = [path for files in study.files.values() for path in files]
    random.Random(0).shuffle(paths)
    for index, path in enumerate(paths):
        path.rename(study.folder / f"IM{index:04}")


@odd("names with blanks, umlauts and other letters")
def odd_names(study: OddStudy) -> None:
    for files in study.files.values():
        for path in files:
            path.rename(path.with_name(f"Schädel  Übersicht 日本 {path.stem} (1).DCM"))
        files[0].parent.rename(study.folder / f"{files[0].parent.name} é ")


@odd("hidden files, as macOS leaves them")
def hidden_files(study: OddStudy) -> None:
    for path in study.files["t2"]:
        path.with_name(f"._{path.name}").write_bytes(b"\x00\x05\x16\x07")
    (study.folder / ".DS_Store").write_bytes(b"\x00")


@odd("pictures, texts and tables among the files")
def other_files(study: OddStudy) -> None:
    (study.folder / "picture.jpg").write_bytes(b"\xff\xd8")
    (study.folder / "report.txt").write_text("text")
    (study.folder / "viewer.exe").write_bytes(b"MZ")


@odd("a zip among the files", warns="old.zip: is not read; unpack it")
def zip_among_files(study: OddStudy) -> None:
    with zipfile.ZipFile(study.folder / "old.zip", "w") as archive:
        archive.write(study.files["adc"][0], "000.dcm")


@odd("the study in a zip", refused=r"holds no DICOM file \(1 others\); unpack study.zip")
def only_a_zip(study: OddStudy) -> None:
    with zipfile.ZipFile(study.folder / "study.zip", "w") as archive:
        archive.write(study.files["t2"][0], "000.dcm")
    study.remove(*list(study.files))


@odd("an empty folder", refused=r"holds no DICOM file \(0 others\)")
def nothing(study: OddStudy) -> None:
    study.remove(*list(study.files))


@odd("an export with a DICOMDIR")
def dicomdir(study: OddStudy) -> None:
    from pydicom import dcmread
    from pydicom.fileset import FileSet

    export = FileSet()
    for files in study.files.values():
        for path in files:
            export.add(dcmread(path))
    export.write(study.folder / "export")
    for files in study.files.values():
        for path in files:
            path.unlink()


@odd("files without preamble, from group 8 on")
def no_preamble(study: OddStudy) -> None:
    for path in study.files["t2"]:
        content = path.read_bytes()[132:]
        length = int.from_bytes(content[8:12], "little")  # of the file's own group
        path.write_bytes(content[12 + length :])


@odd("files without preamble, from group 2 on", refused="000.dcm: lacks the first 132 bytes of a DICOM file")
def no_preamble_with_own_group(study: OddStudy) -> None:
    for path in study.files["t2"]:
        path.write_bytes(path.read_bytes()[132:])
