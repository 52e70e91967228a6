"""The overlapping regions in which brain tumour segmentation is scored."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import ConvertToMultiChannelBasedOnBratsClasses, MapTransform, Transform
from monai.utils import TransformBackends, convert_to_dst_type, convert_to_tensor, ensure_tuple_rep

__all__ = ["TumourRegions", "TumourRegionsd"]


class TumourRegions(Transform):
    """Map classes to the regions of BraTS and one more: WT, TC, ET, ET_pp500.

    WT (whole tumour) = classes 1, 2, 3; TC (core) = 1, 3; ET (enhancing) = 3. ET_pp500 is ET after the rule that the
    codes of RFNet, mmFormer and DC-Seg apply to predictions without saying so in their tables: if all of ET together
    is smaller than 500 voxels (of 1 mm3), none is reported. TC and WT keep these voxels.

    Args:
        min_et_volume_mm3: ET_pp500 is empty below this volume; 0 for labels, which the rule leaves alone.
    """

    backend = [TransformBackends.TORCH]

    def __init__(self, min_et_volume_mm3: float = 500.0) -> None:
        if min_et_volume_mm3 < 0:
            raise ValueError(f"min_et_volume_mm3 must not be negative, got {min_et_volume_mm3}.")
        self.min_et_volume_mm3 = min_et_volume_mm3
        self.regions = ConvertToMultiChannelBasedOnBratsClasses(et_label=3)

    def __call__(self, label_map: MetaTensor) -> MetaTensor:
        """Map classes 0 to 3, (1, *spatial), to regions (4, *spatial), uint8."""
        label_map = convert_to_tensor(label_map, track_meta=True)
        if label_map.shape[0] != 1:
            raise ValueError(f"a label map (1, *spatial) is needed, got shape {tuple(label_map.shape)}.")
        core, whole, enhancing = self.regions(label_map.as_tensor()[0])
        volume_mm3 = int(enhancing.sum()) * float(label_map.affine[:3, :3].double().det().abs())
        # an oblique affine gives a volume that is right to about 1e-7
        reported = enhancing if volume_mm3 >= self.min_et_volume_mm3 * (1 - 1e-5) else torch.zeros_like(enhancing)
        regions = torch.stack([whole, core, enhancing, reported])
        return convert_to_dst_type(regions, label_map, dtype=torch.uint8)[0]


class TumourRegionsd(MapTransform):
    """Dictionary version of `TumourRegions`.

    Args:
        keys: label maps.
        min_et_volume_mm3: see `TumourRegions`; one number per key (0 for a label), or one for all.
        allow_missing_keys: skip absent keys instead of raising.
    """

    backend = TumourRegions.backend

    def __init__(
        self, keys: KeysCollection, min_et_volume_mm3: Sequence[float] | float, allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        volumes = ensure_tuple_rep(min_et_volume_mm3, len(self.keys))
        self.regions = [TumourRegions(volume) for volume in volumes]

    def __call__(self, data: Mapping[Hashable, torch.Tensor]) -> dict[Hashable, torch.Tensor]:
        scored = dict(data)
        for key, regions in self.key_iterator(scored, self.regions):
            scored[key] = regions(scored[key])
        return scored
