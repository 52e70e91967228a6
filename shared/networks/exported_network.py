"""A network from a file of `torch.export` or ONNX."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError
from .present_modalities import available_modalities
from .size_rule import SizeRule, check_sizes, size_rules

__all__ = ["DESCRIPTION", "ExportedNetwork"]

DESCRIPTION = "bundle.json"  # name of the text, stored in the file, that says what the network is


class ExportedNetwork(nn.Module):
    """Run a network that `python -m ci export` wrote: `.pt2` by PyTorch, `.onnx` by ONNX Runtime.

    `WeightsLoader` reads the file, so that the overlay `exported.json` needs no other change of an inference. There are
    no parameters here, and the network's own code is not needed.

    Args:
        device: where it runs.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        super().__init__()
        self.device = torch.device(device)
        self.run: Callable[[Tensor], Tensor] | None = None  # a function, since exported modules refuse `eval()`
        self.rules: list[SizeRule] = []

    def load_file(self, path: Path, content: bytes) -> dict[str, Any]:
        """Take the network from a file, and return its description.

        Raises:
            InputError: another kind of file, a damaged one, or a package is missing.
        """
        readers = {".pt2": _read_pt2, ".onnx": _read_onnx}
        if path.suffix not in readers:
            raise InputError(f"{path}: expected an exported network, {' or '.join(readers)}; correct --ckpt_path.")
        try:
            run, text = readers[path.suffix](content, self.device)
            description = json.loads(text)
            rules = size_rules(description["spatial_shape"])
        except ImportError as error:
            raise InputError(f"{path}: reading it needs the package {error.name}; install it with pip.") from error
        except Exception as error:  # each damaged byte raises something else
            raise InputError(
                f"{path}: not a readable export of a bundle (truncated?); write it again with python -m ci export."
            ) from error
        self.run, self.rules = run, rules
        return description

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits of images (B, M, *spatial); a modality with any NaN is absent.

        Raises:
            ValueError: no file was read, sizes that the network does not take, or a sample without any modality.
        """
        if self.run is None:
            raise InputError("no exported network was read; name its file with --ckpt_path.")
        plain = image.as_subclass(Tensor)
        check_sizes(plain.shape[2:], self.rules)
        available_modalities(plain)
        return self.run(plain)


def _read_pt2(content: bytes, device: torch.device) -> tuple[Callable[[Tensor], Tensor], str]:
    stored = {DESCRIPTION: ""}
    program = torch.export.load(io.BytesIO(content), extra_files=stored)
    if device.type != "cpu":
        from torch.export.passes import move_to_device_pass

        program = move_to_device_pass(program, str(device))
    module = program.module()
    return lambda image: module(image), stored[DESCRIPTION]


def _read_onnx(content: bytes, device: torch.device) -> tuple[Callable[[Tensor], Tensor], str]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    on_gpu = [("CUDAExecutionProvider", {"device_id": device.index or 0})] if device.type == "cuda" else []
    providers = [*on_gpu, "CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(content, options, providers=providers)
    name = session.get_inputs()[0].name

    def run(image: Tensor) -> Tensor:
        logits = session.run(None, {name: image.detach().float().cpu().numpy()})[0]
        return torch.from_numpy(logits).to(image.device)

    return run, session.get_modelmeta().custom_metadata_map[DESCRIPTION]
