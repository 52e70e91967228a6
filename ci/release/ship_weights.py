"""Train a bundle, and put its weights in half precision where its inference finds them.

    python -m ci ship-weights --bundle bundles/<name> --out RUN --dataset_dir DATA

Options beyond these are the bundle's settings. The training is in RUN (`python -m ci study` says what an interrupted
command does). Then `<bundle>/models/model.pt` is written, and RUN/shipped/ holds the scores of that
very file on the test part.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ci.experiments.study import check_settings, run, train
from shared.atomic_write import atomic_write

LARGEST_MB = 12


def halved(state_dict: Mapping[str, Tensor]) -> OrderedDict[str, Tensor]:
    """Return a state dict in half precision, with the settings that it stores.

    Vectors and numbers (biases, and the weights and statistics of normalisations) stay as they are: they are few, and
    a variance may be too large or too small for half precision.

    Raises:
        ValueError: a weight is too large for half precision.
    """
    small = OrderedDict(state_dict)
    small._metadata = getattr(state_dict, "_metadata", OrderedDict())
    for name, value in state_dict.items():
        if value.is_floating_point() and value.ndim > 1:
            small[name] = value.half()
            if not small[name].isfinite().all():
                raise ValueError(f"{name}: a weight is too large for half precision ({value.abs().max():g}).")
    return small


def main(bundle: str, out: str, **settings: Any) -> None:
    """Train, ship, and score what is shipped.

    Args:
        bundle: its folder.
        out: folder of the training and of the scores.
        settings: of the bundle.
    """
    folder, run_dir = Path(bundle), Path(out)
    check_settings(run_dir, settings)
    train(folder, [], {**settings, "output_dir": str(run_dir), "ckpt_dir": str(run_dir / "models")})
    trained = torch.load(run_dir / "models" / "model.pt", map_location="cpu", weights_only=True)
    shipped = folder / "models" / "model.pt"
    with atomic_write(shipped) as temporary:
        torch.save(halved(trained), temporary)
    run(folder, ["evaluate"], {**settings, "ckpt_dir": str(shipped.parent), "output_dir": str(run_dir / "shipped")})
    megabytes = shipped.stat().st_size / 1e6
    print(f"{shipped}: {megabytes:.1f} MB, sha256 {hashlib.sha256(shipped.read_bytes()).hexdigest()}")
    if megabytes > LARGEST_MB:
        print(f"Too large for the repository, where at most {LARGEST_MB} MB are kept.")
