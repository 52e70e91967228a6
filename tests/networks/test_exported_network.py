"""Networks in files of `torch.export` and ONNX, run without their code."""

import json
from copy import deepcopy

import onnxruntime
import pytest
import torch
from monai.data import MetaTensor
from torch import nn

from ci.release.exported_forms import exported_program, largest_difference, probe_images, write_onnx, write_pt2
from shared.errors import InputError
from shared.handlers import WeightsLoader
from shared.networks import ExportedNetwork, ModalityEncoders
from shared.networks.encoded_modalities import pack
from shared.networks.present_modalities import nan_without_modalities
from shared.networks.size_rule import size_rules
from shared.networks.uhemis import mean_and_variance

SETTINGS = {"modalities": ["a", "b"], "trained_on": "noise"}
DESCRIPTION = {"spatial_shape": ["8*n+8"] * 3, "network": "Small", "model_settings": SETTINGS}
NAN = float("nan")


class OneLevel(nn.Conv3d):
    def forward(self, image):
        return [super().forward(image)]


class Small(nn.Module):
    """One convolution per modality, their mean and variance, one convolution; absent modalities are not computed."""

    def __init__(self):
        super().__init__()
        self.encoders = ModalityEncoders((OneLevel(1, 2, 3, padding=1) for _ in range(2)), stride=8)
        self.head = nn.Conv3d(4, 2, 1)

    def forward(self, image):
        encoded = self.encoders(image)
        logits = self.head(mean_and_variance(pack(encoded.levels[0], encoded), encoded.filled))
        return nan_without_modalities(logits, encoded.available) if encoded.dense else logits


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return Small().eval()


@pytest.fixture(scope="module")
def files(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    program = exported_program(small, channels=2, rules=size_rules(DESCRIPTION["spatial_shape"]))
    paths = {"pt2": folder / "model.pt2", "onnx": folder / "model.onnx"}
    write_pt2(program, paths["pt2"], DESCRIPTION)
    write_onnx(program, paths["onnx"], DESCRIPTION)
    return paths


@pytest.fixture(params=["pt2", "onnx"])
def path(request, files):
    return files[request.param]


@pytest.fixture(scope="module")
def networks(files):
    """The files read again, by their paths."""
    read = {path: ExportedNetwork() for path in files.values()}
    for path, network in read.items():
        assert network.load_file(path, path.read_bytes()) == DESCRIPTION
    return read


@pytest.fixture
def network(path, networks):
    return networks[path]


def test_every_subset_batch_and_size_gives_what_the_network_gives(small, network):
    """Three subsets in one batch, then a batch of one of other sizes."""
    images = list(probe_images(2, size_rules(DESCRIPTION["spatial_shape"]), may_lack=True))
    assert [image.shape for image in images] == [(3, 2, 16, 16, 16), (1, 2, 24, 32, 24)]
    assert images[0].isnan().flatten(2).any(2).tolist() == [[False, False], [False, True], [True, False]]
    assert largest_difference(small, network, images) < 1e-5


def test_what_stands_in_an_absent_modality_changes_no_bit(network):
    image = torch.randn(1, 2, 16, 16, 16)
    image[:, 1] = NAN
    changed = image.clone()
    changed[:, 1, 1:] = 1e30
    assert torch.equal(network(image), network(changed))
    assert network(image).isfinite().all()


def test_without_any_modality_a_graph_gives_nan_and_the_network_refuses(files, networks):
    image = torch.randn(2, 2, 16, 16, 16)
    image[1] = NAN
    session = onnxruntime.InferenceSession(files["onnx"])
    (logits,) = session.run(["logits"], {"image": image.numpy()})
    assert torch.from_numpy(logits).isnan().flatten(1).all(1).tolist() == [False, True]
    for network in networks.values():
        with pytest.raises(ValueError, match="no modality is available in sample 1"):
            network(image)


def test_axes_of_onnx_have_names(files):
    session = onnxruntime.InferenceSession(files["onnx"])
    assert session.get_inputs()[0].shape == ["batch", 2, "height", "width", "depth"]
    assert session.get_outputs()[0].shape == ["batch", 2, "height", "width", "depth"]


def test_sizes_that_the_graph_does_not_take_are_refused_in_words(network):
    with pytest.raises(InputError, match=r"takes the sizes a multiple of 8 from 16, .* got \(12, 16, 16\)"):
        network(torch.zeros(1, 2, 12, 16, 16))


def test_it_stands_in_for_a_network(network):
    """An evaluator calls `eval`, moves it, and hands MetaTensors in; an ensemble copies it."""
    image = MetaTensor(torch.randn(1, 2, 16, 16, 16))
    assert list(network.parameters()) == []
    assert torch.equal(deepcopy(network).eval().to("cpu")(image), network(image.as_tensor()))


def test_the_loader_reads_it_and_compares_the_settings_of_the_training(path):
    network = ExportedNetwork()
    loader = WeightsLoader(str(path), network, {"modalities": ["a", "b"]})
    loader()
    note = json.loads(loader.note)
    assert (note["file"], note["trained_on"]) == (str(path), "noise")
    assert network(torch.zeros(1, 2, 16, 16, 16)).shape == (1, 2, 16, 16, 16)
    with pytest.raises(InputError, match=r"trained with modalities = \['a', 'b'\], but modalities = \['b'\]"):
        WeightsLoader(str(path), ExportedNetwork(), {"modalities": ["b"]})()


def test_other_files_are_refused(path, tmp_path):
    network, content = ExportedNetwork(), path.read_bytes()
    with pytest.raises(InputError, match=r"model\.pt: expected an exported network, \.pt2 or \.onnx; correct"):
        network.load_file(tmp_path / "model.pt", content)
    for damaged in (b"", content[: len(content) // 2], content[:-1] if path.suffix == ".pt2" else content[:-200]):
        with pytest.raises(InputError, match="not a readable export of a bundle"):
            network.load_file(path, damaged)
    with pytest.raises(InputError, match="no exported network was read"):
        network(torch.zeros(1, 2, 16, 16, 16))
