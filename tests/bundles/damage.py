"""Ways to spoil a file, as it happens to people's data: those of any file, and those that only NIfTI knows."""

import nibabel
import numpy as np
from PIL import Image


def is_nifti(path):
    return path.name.endswith((".nii", ".nii.gz"))


def text(path):
    path.write_text("no image")


def truncated(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def gone(path):
    path.unlink()


def rewrite(path, change):
    """Give a NIfTI file other values and another affine."""
    image = nibabel.load(path)
    values, affine = change(np.asarray(image.dataobj).astype(np.float32), image.affine)
    path.unlink()
    nibabel.save(nibabel.Nifti1Image(values, affine), path)


def one_voxel(value):
    def change(values, affine):
        values[tuple(size // 2 for size in values.shape)] = value
        return values, affine

    return change


def stray_nan(path):
    rewrite(path, one_voxel(np.nan))


def unknown_value(path):
    rewrite(path, one_voxel(77))


def seven_channels(path):
    rewrite(path, lambda values, affine: (np.stack([values] * 7, axis=-1), affine))


def moved(path):
    """To 20 mm from where it was."""
    aside = np.eye(4)
    aside[0, 3] = 20
    rewrite(path, lambda values, affine: (values, aside @ affine))


def cropped(path):
    if is_nifti(path):
        rewrite(path, lambda values, affine: (values[:-3], affine))
    else:
        with Image.open(path) as picture:
            smaller = picture.crop((0, 0, picture.width - 3, picture.height))
        smaller.save(path)


ONLY_NIFTI = (stray_nan, seven_channels, unknown_value, moved)


def spoils(damage, path):
    """Whether a file of this kind can be spoilt in this way; one that has channels may have any number of them."""
    if damage is seven_channels and is_nifti(path) and nibabel.load(path).ndim > 3:
        return False
    return damage not in ONLY_NIFTI or is_nifti(path)
