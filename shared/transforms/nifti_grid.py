"""Describe a result's grid exactly as the file of the image does."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
from monai.data import MetaTensor
from numpy.typing import DTypeLike
from torch import Tensor

from .small_suffix import is_nifti, with_small_suffix

__all__ = ["nifti_on_grid"]

QFORM = ("qform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")
SFORM = ("sform_code", "srow_x", "srow_y", "srow_z")


def nifti_on_grid(volume: Tensor, image: MetaTensor, dtype: DTypeLike) -> nibabel.Nifti1Image:
    """Make a NIfTI image of a volume on the grid of an image.

    Programs differ in whether they believe a file's qform or its sform (MONAI takes the qform where the sform does not
    fit the voxel size). If the image came from a NIfTI file and is on its grid, both are copied from there bit by
    bit, so that every program shows the two in one place; else (DICOM, NRRD, MetaImage) both say the image's affine.

    Args:
        volume: (1, *spatial), 3D.
        image: (C, *spatial), whose affine and "filename_or_obj" count.
        dtype: how values are stored.
    """
    values = np.asarray(volume[0].detach().cpu()).astype(dtype, copy=False)
    affine = image.affine.cpu().numpy().astype(float)
    original = _header_of_file(image, affine)
    if original is None or original.get_data_shape()[:3] != values.shape:
        nifti = nibabel.Nifti1Image(values, affine)
        nifti.set_sform(affine, code="scanner")
        nifti.set_qform(affine, code="scanner")
        return nifti
    nifti = nibabel.Nifti1Image(values, original.get_best_affine())
    nifti.header["pixdim"][:4] = original["pixdim"][:4]
    nifti.header.set_xyzt_units(*original.get_xyzt_units())
    for field in (*QFORM, *SFORM):
        nifti.header[field] = original[field]
    return nifti


def _header_of_file(image: MetaTensor, affine: np.ndarray) -> nibabel.Nifti1Header | None:
    """Return the header of the NIfTI file that the image was read from and whose axes it still has."""
    file = Path(str(image.meta.get("filename_or_obj", "")))
    as_read = image.meta.get("original_affine")
    if as_read is None or not np.allclose(np.asarray(as_read), affine, rtol=0, atol=1e-3):
        return None
    if not (is_nifti(file) and file.is_file()):
        return None
    with with_small_suffix(file) as readable:
        return nibabel.load(readable).header
