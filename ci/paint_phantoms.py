"""Paint a small data set of brain-tumour phantoms: `.venv/bin/python ci/paint_phantoms.py --out DIR [--num_cases 24]`.

A second run finds them painted and does nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import fire

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shared.data.phantoms import paint_brats_phantoms
from shared.errors import InputError


def main(
    *,
    out: str,
    num_cases: int = 24,
    seed: int = 0,
    size: Sequence[int] = (56, 64, 48),
    spacing_mm: Sequence[float] = (2.5, 2.5, 2.5),
    layout: str = "brats2021",
    modalities: Sequence[str] = ("t1", "t1ce", "t2", "flair"),
    missing_share: float = 0.0,
) -> None:
    """Paint phantoms.

    Args:
        out: folder of the data set.
        num_cases: number of cases.
        seed: another seed gives other cases.
        size: voxels along the three axes, as "[56,64,48]".
        spacing_mm: edges of a voxel, as "[2.5,2.5,2.5]".
        layout: brats2021, brats2023 or msd.
        modalities: sequences to paint, as "[t1,flair]".
        missing_share: probability that a case lacks some of them.
    """
    folder = paint_brats_phantoms(
        str(out),
        num_cases=num_cases,
        seed=seed,
        size=size,
        spacing_mm=spacing_mm,
        layout=layout,
        modalities=modalities,
        missing_share=missing_share,
    )
    print(f"{num_cases} phantoms (painted, no patients) lie in {folder}")


if __name__ == "__main__":
    try:
        fire.Fire(main)
    except InputError as error:
        sys.exit(f"Error: {error}")
