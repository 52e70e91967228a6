"""Segment brains by MedSAM with boxes around the reference, as in Fig. 2 of Tong et al. (CLoE).

    python -m ci medsam --checkpoint medsam_vit_b.pth --bundle bundles/brats_mri_segmentation_expert_consistency \
        --out medsam --dataset_dir DATA --predictions eval

needs weights from MedSAM's authors (--checkpoint; nothing is downloaded) and the package transformers. It segments the
cases of the part that evaluate.json names, slice by slice. Each region (WT, TC, ET) has boxes of its own, and so has
each separate part of it. Boxes are --margin_mm larger than the part on every side. So MedSAM knows where the tumour is.

Results, in a folder per case: <case>_seg.nii.gz, which evaluate.json scores (--predictions medsam); <case>_medsam.png
with the modalities, MedSAM and its boxes, the label map in --predictions and the reference; <case>.json with all boxes.
Further options are settings of a brain bundle, such as layout, device or evaluate_part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigWorkflow

from ci.experiments.config_files import config_files
from ci.experiments.medsam_case import SETTINGS, Comparison
from ci.experiments.medsam_network import load_medsam
from ci.experiments.medsam_prompts import CLASSES
from shared.errors import InputError

SHOWN_IN = {"WT": "flair", "TC": "t1ce", "ET": "t1ce"}  # the modality in which radiologists look for it
ALSO_READ = ("splits", "evaluate_part", "device")


def main(
    *,
    checkpoint: str,
    bundle: str,
    out: str,
    predictions: str | None = None,
    heading: str = "CLoE",
    margin_mm: float = 5.0,
    shown_in: Mapping[str, str] = SHOWN_IN,
    num_cases: int | None = None,
    **settings: Any,
) -> None:
    """Segment by MedSAM.

    Args:
        checkpoint: weights of MedSAM's authors, medsam_vit_b.pth.
        bundle: folder of a brain bundle, whose evaluation says which cases.
        out: folder of the results.
        predictions: label maps of another method for the figure: what inference.json writes, or any that evaluate.json
            takes.
        heading: what the figure calls that method.
        margin_mm: between the reference and its box. Its authors enlarge boxes by up to 20 of 1024 pixels, 4.7 of 240.
        shown_in: the modality in which each region is segmented, as "{'WT': 'flair', 'TC': 't1ce', 'ET': 't1ce'}".
        num_cases: how many, from the first on; all if it is not given.
        settings: of the bundle, such as dataset_dir.

    Raises:
        InputError: a setting or file is wrong; some cases cannot be segmented.
    """
    files = config_files(Path(bundle), ["train", "evaluate"], "--bundle")
    workflow = ConfigWorkflow(files, workflow_type="train", bundle_root=str(bundle), **settings)
    workflow.initialize()
    found = {name: workflow.parser.get_parsed_content(name) for name in (*SETTINGS, *ALSO_READ)}
    _check(shown_in, found["modalities"], margin_mm, num_cases)
    cases = found["splits"][found["evaluate_part"]][:num_cases]
    compare = Comparison(
        load_medsam(checkpoint, found["device"]),
        found,
        cases,
        out=Path(out),
        predictions=predictions,
        heading=heading,
        margin_mm=margin_mm,
        shown_in=shown_in,
    )
    failed = []
    for at, item in enumerate(cases, start=1):
        try:
            compare(item)
            print(f"{at} of {len(cases)}: {item['case']}", flush=True)
        except InputError as error:
            failed.append(str(error))
            print(f"{at} of {len(cases)}: {error}", flush=True)
    if failed:
        raise InputError(f"{len(failed)} of {len(cases)} cases were not segmented: {failed[0]}")
    print(f"Label maps and figures are in {out}; evaluate.json scores them with --predictions {out}.")


def _check(shown_in: Mapping[str, str], modalities: Sequence[str], margin_mm: float, num_cases: int | None) -> None:
    known = isinstance(shown_in, Mapping) and {*shown_in} == {*CLASSES} and {*shown_in.values()} <= {*modalities}
    if not known:
        example = "{'WT': 'flair', 'TC': 't1ce', 'ET': 't1ce'}"
        raise InputError(
            f"shown_in: expected a modality ({', '.join(modalities)}) for each of {', '.join(CLASSES)}, as in "
            f'"{example}", got {shown_in}.'
        )
    if isinstance(margin_mm, bool) or not isinstance(margin_mm, (int, float)) or not 0 <= margin_mm < float("inf"):
        raise InputError(f"margin_mm: expected millimetres from 0 on, got {margin_mm!r}.")
    if num_cases is not None and (not isinstance(num_cases, int) or num_cases < 1):
        raise InputError(f"num_cases: expected a whole number from 1 on, got {num_cases!r}.")
