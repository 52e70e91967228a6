"""Turn what a program holds of a case, paths or arrays, into the item that a bundle's preprocessing reads."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.utils import SpaceKeys
from torch import Tensor

from ..errors import InputError
from ..pictures import PictureFile, picture_colours
from ..transforms.read_nifti import NiftiReader

__all__ = ["case_item", "picture_item", "volumes_item"]

EXTRA_VOLUMES = ("image", "brain")  # a 4D file or tensor of all modalities; a brain mask


def case_item(
    image: Any, volumes: Mapping[str, Any], case: str | None, *, modalities: Sequence[str] | None, bundle: str
) -> dict[str, Any]:
    """Return a case as a bundle's lists of cases have it.

    Args:
        image: the picture of a 2D bundle; of others, all modalities in one 4D file or tensor, or None.
        volumes: name to volume.
        case: name of the case; None: that of the first file, or "case" without files.
        modalities: names of the bundle's modalities, None for a 2D bundle.
        bundle: name of the bundle.

    Raises:
        InputError: the bundle has no such input, or an input has another shape.
    """
    if modalities is None:
        if volumes or image is None:
            raise InputError(f"{bundle}: takes one picture, segmenter('picture.png'), and no other input.")
        item = picture_item(image)
    else:
        known = (*modalities, *EXTRA_VOLUMES)
        for name in volumes:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                remedy = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}."
                raise InputError(f"{name}: no modality of {bundle}; {remedy}")
        item = volumes_item(volumes if image is None else {"image": image, **volumes})
    if case is not None:
        item["case"] = case
    elif not any(isinstance(value, (str, list)) for value in item.values()):
        item["case"] = "case"
    return item


def volumes_item(volumes: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item of 3D images.

    A path, a list of the files of a DICOM series and [path, channel] stay as they are: the bundle reads them. What has
    an affine (voxel indices to millimetres; x to the right, y to the front, z upwards, as in NIfTI) becomes a tensor:
    a `MetaTensor`, an image of nibabel, or a pair (array, affine). None is an absent modality.

    Args:
        volumes: name to volume, (x, y, z) or (channels, x, y, z).

    Raises:
        InputError: an array without an affine, or one of another shape.
    """
    return {name: _volume(name, value) for name, value in volumes.items() if value is not None}


def picture_item(image: Any) -> dict[str, Any]:
    """Return an item of a 2D image.

    Args:
        image: a path; an array of 8 bits, (H, W) or (H, W, 3), as Pillow and OpenCV (after BGR to RGB) give it; a
            picture of Pillow; or a tensor (3, H, W) in [0, 1].

    Raises:
        InputError: an array of another kind or shape.
    """
    if isinstance(image, (str, os.PathLike)):
        return {"image": os.fspath(image)}
    if isinstance(image, Tensor):
        if image.ndim != 3 or len(image) != 3 or not 0 <= image.min() <= image.max() <= 1:
            raise InputError(f"image: expected a tensor (3, H, W) with values from 0 to 1, got {tuple(image.shape)}.")
        colours = image.detach().float()
    else:
        colours = torch.from_numpy(picture_colours(_opened(image)))
    meta = {"spatial_shape": np.array(colours.shape[1:]), "original_channel_dim": 0}
    return {"image": MetaTensor(colours, meta=meta)}


def _opened(image: Any) -> PictureFile:
    from PIL import Image

    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.shape[2:] in ((), (3,), (4,)):
        image = Image.fromarray(image)
    if not isinstance(image, Image.Image) or image.mode not in ("L", "LA", "RGB", "RGBA", "P", "1"):
        given = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise InputError(
            f"image: expected a path, an array of 8 bits (H, W) or (H, W, 3), or a tensor (3, H, W), got {given}."
        )
    return PictureFile(Path("image"), "PNG", image, None, 255, None, False)


def _volume(name: str, value: Any) -> Any:
    """Return a path, or a tensor with its affine."""
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    if isinstance(value, MetaTensor):
        meta = {key: item for key, item in value.meta.items() if key != "affine"}
        return _with_affine(name, value.as_tensor(), value.affine, meta)
    if hasattr(value, "dataobj") and hasattr(value, "affine"):
        return _of_nibabel(name, value)
    if isinstance(value, Sequence) and len(value) == 2 and isinstance(value[0], (np.ndarray, Tensor)):
        return _with_affine(name, torch.as_tensor(value[0]), value[1], {})
    if isinstance(value, (np.ndarray, Tensor)):
        raise InputError(f"{name}: an array does not say how large its voxels are; give ({name}, affine) instead.")
    if isinstance(value, Sequence):
        return list(value)
    raise InputError(f"{name}: expected a path, (array, affine) or a MetaTensor, got {type(value).__name__}.")


def _of_nibabel(name: str, image: Any) -> MetaTensor:
    """Read an image of nibabel as its file would be read: NIfTI in millimetres, channels first."""
    from nibabel import Nifti1Pair

    if not isinstance(image, Nifti1Pair):
        return _with_affine(name, torch.from_numpy(np.asarray(image.dataobj, dtype=np.float32)), image.affine, {})
    values, meta = NiftiReader().from_memory(image)
    values = np.moveaxis(values, -1, 0) if values.ndim == 4 else values
    return _with_affine(name, torch.from_numpy(values.astype(np.float32)), meta["affine"], {})


def _with_affine(name: str, values: Tensor, affine: Any, meta: dict[str, Any]) -> MetaTensor:
    """Return a tensor (channels, x, y, z), float32, on the CPU."""
    affine = torch.as_tensor(np.asarray(affine, dtype=np.float64))
    if affine.shape != (4, 4) or not affine.isfinite().all() or abs(float(affine[:3, :3].det())) < 1e-9:
        raise InputError(f"{name}: expected an affine of 4 x 4 numbers that can be inverted, got {affine.tolist()}.")
    values = values.detach().cpu().float()
    if values.ndim == 3:
        values = values[None]
    if values.ndim != 4:
        raise InputError(f"{name}: expected an array (x, y, z), got shape {tuple(values.shape)}.")
    meta = {"space": SpaceKeys.RAS, "original_affine": affine.clone(), **meta, "original_channel_dim": 0}
    return MetaTensor(values.clone(), affine=affine, meta={**meta, "spatial_shape": np.array(values.shape[1:])})
