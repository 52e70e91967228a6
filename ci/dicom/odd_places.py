"""Studies whose slices are at odd places: turned, tilted, uneven, or on two grids."""

from __future__ import annotations

import numpy as np

from shared.phantoms.dicom_phantoms import ORGANS, grid_of

from .odd_study import OddStudy, odd


def _again(study: OddStudy, name: str, affine: np.ndarray, volume: np.ndarray | None = None) -> None:
    """Write a modality again, elsewhere."""
    from pydicom import dcmread

    tags = dcmread(study.files[name][0], stop_before_pixels=True)
    volume = study.painted.volumes[name] if volume is None else volume
    number, description = int(tags.SeriesNumber), tags.SeriesDescription
    for path in study.files[name]:
        path.unlink()
    sequence = next(series.tags for series in ORGANS[study.organ].series if series.number == number)
    study.files[name] = study.write(name, volume, affine, number, description, **sequence)
    study.truth[name] = (volume, affine)


def _turned(degrees: float) -> np.ndarray:
    """Turn about two axes."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    about_x, about_z = np.eye(4), np.eye(4)
    about_x[1:3, 1:3], about_z[:2, :2] = [[cos, -sin], [sin, cos]], [[cos, -sin], [sin, cos]]
    return about_x @ about_z


@odd("oblique slices")
def oblique(study: OddStudy) -> None:
    for name in ("t2", "adc"):
        _again(study, name, _turned(17) @ study.painted.affine)


@odd("a sagittal study", organ="brain")
def sagittal(study: OddStudy) -> None:
    for name in list(study.files):
        _again(study, name, grid_of("sagittal", (20, 22, 16), (7, 7, 8)))


@odd("a coronal study", organ="brain")
def coronal(study: OddStudy) -> None:
    for name in list(study.files):
        _again(study, name, grid_of("coronal", (20, 22, 16), (7, 7, 8)))


@odd("a sagittal T2 of a prostate", refused="none of its 1 series fits")
def sagittal_prostate(study: OddStudy) -> None:
    study.remove("adc")
    _again(study, "t2", grid_of("sagittal", (24, 20, 6), (5, 5, 6)))


@odd("rows run to the right, and slices to the feet")
def mirrored_axes(study: OddStudy) -> None:
    for name in ("t2", "adc"):
        _again(study, name, study.painted.affine @ np.diag([-1, 1, -1, 1]))


@odd("oblong pixels")
def oblong_pixels(study: OddStudy) -> None:
    for name in ("t2", "adc"):
        _again(study, name, study.painted.affine @ np.diag([1, 1.6, 1, 1]))


@odd("gaps between the slices")
def gaps(study: OddStudy) -> None:
    for name in ("t2", "adc"):
        study.edit(name, SliceThickness=3.0, SpacingBetweenSlices=6.0)


@odd("slices numbered backwards, with files in another order")
def backwards(study: OddStudy) -> None:
    study.edit("t2", lambda dataset, index: setattr(dataset, "InstanceNumber", 6 - index))
    for index, path in enumerate(study.files["t2"]):
        path.rename(path.with_name(f"z{5 * index % 6}.dcm"))


@odd("a tilted gantry", refused=r"the slices step sideways, 5 mm in all \(tilted gantry\)")
def tilted(study: OddStudy) -> None:
    def change(dataset: object, index: int) -> None:
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y + index, z]

    study.edit("t2", change)


@odd("uneven steps", refused=r"slices are missing or unevenly spaced \(steps of 6.\d+ to 7.\d+ mm\)")
def uneven(study: OddStudy) -> None:
    def change(dataset: object, index: int) -> None:
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y, z + 0.2 * index**2]

    study.edit("t2", change)


@odd("two slices at one place", refused="two slices are 0 mm apart")
def one_place(study: OddStudy) -> None:
    from pydicom import dcmread

    study.edit_file(study.files["t2"][2], ImagePositionPatient=dcmread(study.files["t2"][3]).ImagePositionPatient)


@odd("one slice is turned", refused="slices are turned against each other")
def turned_slice(study: OddStudy) -> None:
    study.edit_file(study.files["t2"][2], ImageOrientationPatient=[1, 0, 0, 0, 0, -1])


@odd("directions that are no unit vectors", refused="is not two unit vectors at a right angle")
def wrong_directions(study: OddStudy) -> None:
    study.edit("t2", ImageOrientationPatient=[1, 0, 0, 0.5, 1, 0])


@odd("pixels of two sizes", refused="PixelSpacing is .* but one value above 0 for all slices is expected")
def two_spacings(study: OddStudy) -> None:
    study.edit_file(study.files["t2"][2], PixelSpacing=[4.0, 4.0])


@odd("PixelSpacing of 0", refused="one value above 0 for all slices is expected")
def no_width(study: OddStudy) -> None:
    study.edit("t2", PixelSpacing=[0.0, 0.0])


@odd("slices of two sizes", refused="slices have 24 x 18 and 24 x 20 pixels")
def two_sizes(study: OddStudy) -> None:
    def change(dataset: object) -> None:
        dataset.PixelData = dataset.pixel_array[:-2].tobytes()
        dataset.Rows = 18

    study.edit_file(study.files["t2"][5], change)


@odd("another matrix in ADC", refused="they are on two grids; bring them onto one with --resample_modalities True")
def two_matrices(study: OddStudy) -> None:
    _again(study, "adc", study.painted.affine @ np.diag([2, 2, 1, 1]), study.painted.volumes["adc"][::2, ::2])


@odd("another matrix in ADC, brought onto one grid")
def two_matrices_resampled(study: OddStudy) -> None:
    two_matrices(study)
    study.resample = True


@odd("a shift of half a millimetre between T2 and ADC", refused="they are on two grids")
def shifted(study: OddStudy) -> None:
    affine = study.painted.affine.copy()
    affine[2, 3] += 0.5
    _again(study, "adc", affine)


@odd("a series of one slice", refused="none of its 1 series fits t2 or adc")
def one_slice(study: OddStudy) -> None:
    study.remove("adc")
    for path in study.files["t2"][1:]:
        path.unlink()
