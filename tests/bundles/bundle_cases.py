"""The cases that a bundle reads, command by command, their files, and a call in Python that segments them."""

import functools
from pathlib import Path

import pytest

from shared.inferers import Segmenter

COMMANDS = {"train": ("train",), "evaluate": ("train", "evaluate"), "inference": ("inference",)}
READS = {"train": "train::dataset", "evaluate": "validate::dataset", "inference": "dataset"}
LABELS = ("label", "instances", "mask")
NO_IMAGES = {"case", "patient", "group", "brain", *LABELS}
every_command = pytest.mark.parametrize("command", COMMANDS)


def read_all(bundle, command, **options):
    """Read the cases of a command as its run would, in this process."""
    options = {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}
    dataset = bundle.workflow(*COMMANDS[command], **options).parser.get_parsed_content(READS[command])
    assert all(dataset)
    dataset.raise_failures()


@functools.cache
def cases_of(bundle):
    """{command: the cases that it reads}."""
    splits = bundle.workflow("train").parser.get_parsed_content("splits")
    datalist = bundle.workflow("inference").parser.get_parsed_content("datalist")
    return {"train": splits["train"], "evaluate": splits["test"], "inference": datalist}


def images_of(case):
    """{key: path} of the images of a case; an image is a path, or a path and a channel."""
    values = {key: value for key, value in case.items() if key not in NO_IMAGES}
    paths = {key: Path(str(value[0] if isinstance(value, list) else value)) for key, value in values.items()}
    return {key: path for key, path in paths.items() if path.is_file()}


def image_of(case):
    """Key and path of the first image of a case."""
    return next(iter(images_of(case).items()))


def label_of(case):
    """The first label of a case; several are a list."""
    value = next(case[key] for key in LABELS if key in case)
    return Path(value[0] if isinstance(value, list) else value)


def segmenter_of(bundle, weights=None, **settings):
    """A trained bundle as a call, with its tiny settings; `weights` are others than its own."""
    return Segmenter(bundle.root, weights or bundle.out / "models" / "model.pt", "cpu", ["inference_tiny"], **settings)


def inputs_of(case, segmenter):
    """What a call takes of a case."""
    known = [*(segmenter.modalities or ()), "image", "brain"]
    return {name: case[name] for name in known if name in case}
