"""Write the results of a case, with the segmentation of each expert."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ..atomic_write import atomic_write
from .experts_figure import draw_experts
from .save_case import SaveImageCased

__all__ = ["SaveImageExpertsd"]


class SaveImageExpertsd(SaveImageCased):
    """`SaveImageCased` for a network of experts.

    - The record gets "experts": of every modality that is there the weight, the agreement with the others, and the
      agreement in the region (see `Experts`).
    - With `draw_experts` there is ``<case>_experts.png``: see `draw_experts`.

    Where "experts" is missing (another network), both are left out. Runs after `SplitExpertsd`.

    Args:
        output_dir: see `SaveImageCased`, like the others.
        modalities: names of the image's channels.
        class_names: names of the classes from 1 on.
        metadata_path: the bundle's metadata.json.
        case_names: "plain" or "hash".
        save_probabilities: write "probabilities".
        output_convention: numbers of the written label map.
        label_table: what the labels show.
        settings: of the run.
        draw_experts: draw the figure.
        experts_key: `Experts`.
    """

    def __init__(
        self,
        output_dir: str,
        modalities: Sequence[str],
        class_names: Sequence[str],
        metadata_path: str,
        case_names: str = "plain",
        save_probabilities: bool = False,
        output_convention: str | Mapping[int | str, int] | None = None,
        label_table: str = "brain_tumour",
        settings: Mapping[str, Any] | None = None,
        draw_experts: bool = False,
        experts_key: str = "experts",
    ) -> None:
        super().__init__(
            output_dir,
            modalities,
            class_names,
            metadata_path,
            case_names=case_names,
            save_probabilities=save_probabilities,
            output_convention=output_convention,
            label_table=label_table,
            settings=settings,
        )
        self.draw_experts = draw_experts
        self.experts_key = experts_key

    def _add(
        self, data: Mapping[Hashable, Any], volumes: Mapping[str, Tensor], folder: Path, case: str
    ) -> dict[str, str]:
        experts = data.get(self.experts_key)
        if experts is None or not self.draw_experts:
            return {}
        name = f"{case}_experts.png"
        with atomic_write(folder / name) as path:
            draw_experts(
                volumes["image"],
                volumes["pred"],
                experts,
                path,
                modalities=self.modalities,
                class_names=self.class_names,
                title=case,
            )
        return {"experts": name}

    def _findings(self, data: Mapping[Hashable, Any], found: Mapping[str, Tensor]) -> dict[str, Any]:
        experts = data.get(self.experts_key)
        of_experts = {} if experts is None else {"experts": experts.note(self.modalities)}
        return {**super()._findings(data, found), **of_experts}
