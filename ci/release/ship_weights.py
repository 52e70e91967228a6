"""Train a bundle, and put its weights in half precision where its inference finds them.

    python -m ci ship-weights --bundle bundles/<name> --out RUN --dataset_dir DATA
    python -m ci ship-weights --bundle bundles/<name> --out RUN --overlays painted_sizes,pretrain --name painted \
        --trained_on "painted brains alone, no patients"

Options beyond these are the bundle's settings. The training is in RUN/models (`python -m ci study` says what an
interrupted command does; a training that is done there is shipped as it is). Then `<bundle>/models/<name>.pt` is
written, and RUN/shipped/ holds the scores of that very file on the test part.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ci.experiments.config_files import overlay_names
from ci.experiments.training_run import check_settings, run, train
from shared.atomic_write import atomic_write
from shared.errors import InputError
from shared.handlers.model_settings import TRAINED_ON, read_model_settings, with_model_settings
from shared.transforms import decision_offsets

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


def with_decision_weights(
    state_dict: Mapping[str, Tensor], weights: Sequence[float], layer: str
) -> OrderedDict[str, Tensor]:
    """Return a state dict whose network multiplies the classes' probabilities by weights (then divided by their sum).

    A class that the network underrates, such as a rare one, is shown more often. The logarithms of the weights are
    added to the bias of the layer that gives the logits, so that every program that reads the file has them.

    Args:
        state_dict: of the network.
        weights: (C,), positive; equal ones change nothing.
        layer: whose bias (C,) is raised.

    Raises:
        InputError: no such layer, or not one positive weight per class.
    """
    weighted = OrderedDict(state_dict)
    weighted._metadata = getattr(state_dict, "_metadata", OrderedDict())
    bias = state_dict.get(f"{layer}.bias")
    if bias is None:
        raise InputError(f"decision_layer: the network has no {layer}.bias; name the layer that gives the logits.")
    weighted[f"{layer}.bias"] = bias + decision_offsets(weights, len(bias))
    return weighted


def write_half(trained: Mapping[str, Tensor], path: Path, trained_on: str | None = None) -> None:
    """Write a state dict in half precision, whole or not at all.

    Args:
        trained: state dict, with the settings that it stores.
        path: file to write.
        trained_on: the data in words; stored with the settings, and named in the record of every case.

    Raises:
        InputError: the file would be too large for the repository.
    """
    small = halved(trained)
    if trained_on is not None:
        settings = read_model_settings(small._metadata) or {}
        small = with_model_settings(small, {**settings, TRAINED_ON: trained_on})
    with atomic_write(path) as temporary:
        torch.save(small, temporary)
        megabytes = temporary.stat().st_size / 1e6
        if megabytes > LARGEST_MB:
            raise InputError(
                f"{path}: {megabytes:.1f} MB, but at most {LARGEST_MB} MB are kept in the repository; train a smaller "
                "network."
            )


def main(
    bundle: str,
    out: str,
    overlays: Any = (),
    name: str = "model",
    trained_on: str | None = None,
    decision_weights: Sequence[float] | None = None,
    decision_layer: str = "head",
    **settings: Any,
) -> None:
    """Train, ship, and score what is shipped.

    Args:
        bundle: its folder.
        out: folder of the training and of the scores.
        overlays: follow train.json in training and scoring; names with commas between them.
        name: of the file, without suffix: "model", which the user's own training replaces, or "painted", which
            inference uses until the user has trained.
        trained_on: the data in words, for the record of every case, such as "painted brains alone, no patients".
        decision_weights: see `with_decision_weights`; without, the probabilities stay those of the training.
        decision_layer: see `with_decision_weights`.
        settings: of the bundle.

    Raises:
        InputError: the file would be larger than 12 MB; what `python -m ci study` says.
    """
    folder, run_dir, names = Path(bundle), Path(out), overlay_names(overlays)
    check_settings(run_dir, {**settings, **({"overlays": names} if names else {})})
    train(folder, names, {**settings, "output_dir": str(run_dir), "ckpt_dir": str(run_dir / "models")})
    shipped = folder / "models" / f"{name}.pt"
    trained = torch.load(run_dir / "models" / "model.pt", map_location="cpu", weights_only=True)
    if decision_weights is not None:
        trained = with_decision_weights(trained, decision_weights, decision_layer)
    write_half(trained, shipped, trained_on)
    content = shipped.read_bytes()
    print(f"{shipped}: {len(content) / 1e6:.1f} MB, sha256 {hashlib.sha256(content).hexdigest()}", flush=True)
    run(folder, [*names, "evaluate"], {**settings, "ckpt_path": str(shipped), "output_dir": str(run_dir / "shipped")})
