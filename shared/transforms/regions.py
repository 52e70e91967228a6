"""Regions of brain tumours that are scored: WT, TC, ET."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import ConvertToMultiChannelBasedOnBratsClasses, MapTransform, Transform
from monai.utils import TransformBackends, convert_to_dst_type, convert_to_tensor, ensure_tuple_rep

from ..errors import InputError

__all__ = ["TumourRegions", "TumourRegionsd", "region_names"]

CLASSES, WITH_CAVITY = 4, 5  # numbers of classes, background included
ALONE = {"NETC": 1, "SNFH": 2, "RC": 4}  # classes that are scored alone as well where there is a resection cavity


def region_names(num_classes: int = CLASSES, has_volume_rule: bool = True) -> list[str]:
    """Return the names of the regions of `TumourRegions`, in the order of its channels.

    Args:
        num_classes: background included.
        has_volume_rule: with ET_pp500.

    Raises:
        InputError: more than five classes, for which no regions are known.
    """
    if num_classes > WITH_CAVITY:
        raise InputError(
            f"num_classes: expected {CLASSES} (background, necrosis, oedema, enhancing tumour) or {WITH_CAVITY} (and "
            f"resection cavity) to score regions of brain tumours, got {num_classes}; correct it."
        )
    rule = ["ET_pp500"] if has_volume_rule else []
    return ["WT", "TC", "ET", *rule, *(ALONE if num_classes == WITH_CAVITY else ())]


class TumourRegions(Transform):
    """Map classes to the regions of BraTS and one more: WT, TC, ET, ET_pp500.

    WT (whole tumour) = classes 1, 2, 3; TC (core) = 1, 3; ET (enhancing) = 3. ET_pp500 is ET after the rule that the
    codes of RFNet, mmFormer and DC-Seg apply to predictions without saying so in their tables: if all of ET together
    is smaller than 500 voxels (of 1 mm3), none is reported. TC and WT keep these voxels.

    With five classes, 4 is the resection cavity of BraTS 2024 (glioma after treatment) and 2025 (metastases). It
    belongs to none of these regions and is scored alone, like necrosis and oedema there: NETC = 1, SNFH = 2, RC = 4.

    Args:
        min_et_volume_mm3: ET_pp500 is empty below this volume; 0 for labels, which the rule leaves alone; None leaves
            ET_pp500 out.
        num_classes: background included.
    """

    backend = [TransformBackends.TORCH]

    def __init__(self, min_et_volume_mm3: float | None = 500.0, num_classes: int = CLASSES) -> None:
        if min_et_volume_mm3 is not None and min_et_volume_mm3 < 0:
            raise ValueError(f"min_et_volume_mm3 must not be negative, got {min_et_volume_mm3}.")
        self.min_et_volume_mm3 = min_et_volume_mm3
        names = region_names(num_classes, min_et_volume_mm3 is not None)
        self.alone = [ALONE[name] for name in names if name in ALONE]
        self.regions = ConvertToMultiChannelBasedOnBratsClasses(et_label=3)

    def __call__(self, label_map: MetaTensor) -> MetaTensor:
        """Map classes (1, *spatial) to regions (R, *spatial), uint8, in the order of `region_names`."""
        label_map = convert_to_tensor(label_map, track_meta=True)
        if label_map.shape[0] != 1:
            raise ValueError(f"a label map (1, *spatial) is needed, got shape {tuple(label_map.shape)}.")
        classes = label_map.as_tensor()[0]
        core, whole, enhancing = self.regions(classes)
        regions = [whole, core, enhancing]
        if self.min_et_volume_mm3 is not None:
            volume_mm3 = int(enhancing.sum()) * float(label_map.affine[:3, :3].double().det().abs())
            # an oblique affine gives a volume that is right to about 1e-7
            is_reported = volume_mm3 >= self.min_et_volume_mm3 * (1 - 1e-5)
            regions.append(enhancing if is_reported else torch.zeros_like(enhancing))
        regions += [classes == value for value in self.alone]
        return convert_to_dst_type(torch.stack(regions), label_map, dtype=torch.uint8)[0]


class TumourRegionsd(MapTransform):
    """Dictionary version of `TumourRegions`.

    Args:
        keys: label maps.
        min_et_volume_mm3: see `TumourRegions`; one number per key (0 for a label), or one for all.
        allow_missing_keys: skip absent keys instead of raising.
        num_classes: see `TumourRegions`.
    """

    backend = TumourRegions.backend

    def __init__(
        self,
        keys: KeysCollection,
        min_et_volume_mm3: Sequence[float] | float | None,
        allow_missing_keys: bool = False,
        num_classes: int = CLASSES,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        volumes = ensure_tuple_rep(min_et_volume_mm3, len(self.keys))
        self.regions = [TumourRegions(volume, num_classes) for volume in volumes]

    def __call__(self, data: Mapping[Hashable, torch.Tensor]) -> dict[Hashable, torch.Tensor]:
        scored = dict(data)
        for key, regions in self.key_iterator(scored, self.regions):
            scored[key] = regions(scored[key])
        return scored
