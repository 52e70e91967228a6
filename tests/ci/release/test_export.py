"""Commands that write a bundle's network in other forms."""

import json
import re
from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser

from ci.experiments.config_files import configuration_with
from ci.release import export, export_table
from ci.release.bundle_network import BundleNetwork, bundle_network
from ci.release.exported_forms import largest_difference
from shared.errors import InputError
from shared.handlers import WeightsLoader, with_model_settings
from shared.networks.size_rule import SizeRule

VNET = Path("bundles/brats_mri_segmentation_pareto_vnet")  # a small UNet with the tiny settings
SWIN = Path("bundles/brats_mri_segmentation_pareto_swinunetr")


def vnet_parser():
    return configuration_with(VNET, ["inference", "inference_tiny"], {}, [])


@pytest.fixture
def weights(tmp_path):
    """Weights with the settings of their training."""
    torch.manual_seed(0)
    parser = vnet_parser()
    state = parser.get_parsed_content("network_def").state_dict()
    settings = {**parser.get_parsed_content("model_settings"), "trained_on": "painted brains"}
    torch.save(with_model_settings(state, settings), tmp_path / "model.pt")
    return tmp_path / "model.pt"


def run(weights, form, **options):
    settings = {"bundle": str(VNET), "ckpt_path": str(weights), "overlays": "inference_tiny", **options}
    export.main(form=form, out=str(weights.with_suffix(f".{form}")), **settings)
    return weights.with_suffix(f".{form}")


def test_safetensors_hold_the_weights_and_the_settings_of_their_training(weights):
    path, parser = run(weights, "safetensors"), vnet_parser()
    network = parser.get_parsed_content("network_def")
    settings = parser.get_parsed_content("model_settings")
    loader = WeightsLoader(str(path), network, settings)
    loader()
    assert json.loads(loader.note)["trained_on"] == "painted brains"
    saved = torch.load(weights, weights_only=True)
    assert all(torch.equal(saved[name], value) for name, value in network.state_dict().items())
    with pytest.raises(InputError, match="trained with spacing_mm = "):
        WeightsLoader(str(path), network, {**settings, "spacing_mm": [3.0, 3.0, 3.0]})()


def test_a_file_that_differs_from_the_network_is_not_written(weights, monkeypatch):
    monkeypatch.setattr(export, "difference_of", lambda path, source: 2e-4)
    with pytest.raises(InputError, match=r"not written: its logits differ from the network's by 2\.0e-04 of the"):
        run(weights, "safetensors")
    assert not weights.with_suffix(".safetensors").exists()


def test_a_file_that_takes_some_sizes_alone_is_not_written(weights, monkeypatch):
    def refuse(path, source):
        raise AssertionError("Guard failed: image.size()[2] == 32")

    monkeypatch.setattr(export, "difference_of", refuse)
    with pytest.raises(InputError, match=r"not written: torch\.export holds for some .* export another form"):
        run(weights, "safetensors")
    assert not weights.with_suffix(".safetensors").exists()


def test_weights_of_other_settings_are_refused(weights):
    with pytest.raises(InputError, match="trained with spacing_mm = "):
        run(weights, "safetensors", spacing_mm=[3.0, 3.0, 3.0])


def test_options_that_cannot_be_are_refused(weights):
    with pytest.raises(InputError, match=r"--form 'ts': choose pt2, onnx, safetensors; TorchScript: python -m"):
        run(weights, "ts")
    with pytest.raises(InputError, match=r"--out model\.pt: the name must end in \.onnx"):
        export.main(bundle=str(VNET), form="onnx", out="model.pt")


def test_a_difference_is_a_share_of_the_largest_logit_and_nan_is_never_equal():
    double = torch.nn.Identity()
    images = [torch.tensor([[4.0, -8.0]])]
    assert largest_difference(double, lambda image: image + 2**-7, images) == 2**-10
    assert largest_difference(double, lambda image: image * torch.nan, images) == float("inf")
    assert largest_difference(double, lambda image: image[:, :1], images) == float("inf")


def test_swinunetr_is_exported_for_the_size_of_the_settings():
    small = {"feature_size": 12, "window_size": 4, "patch_size": [32, 64, 96]}
    parser = configuration_with(SWIN, ["inference"], small, [])
    assert bundle_network(parser, SWIN).description["spatial_shape"] == [32, 64, 96]
    assert bundle_network(parser, SWIN, smallest=True).description["spatial_shape"] == [32, 64, 32]
    parser["patch_size"] = [48, 64, 96]
    with pytest.raises(InputError, match=r"a multiple of 32 from 32, .* got \(48, 64, 96\)"):
        bundle_network(parser, SWIN)


def test_the_table_has_a_row_per_form_says_why_not_and_keeps_other_rows(tmp_path, monkeypatch):
    def one_convolution(parser, bundle, smallest):
        network = torch.nn.Conv2d(3, 2, 1).eval()
        description = {"network": "Conv2d", "spatial_shape": [8, 8], "model_settings": {}}
        return BundleNetwork(network, 3, [SizeRule(8, 8, True)] * 2, False, description)

    def fail(program, path, description):
        raise RuntimeError("no such|operator")

    monkeypatch.setattr(export_table, "bundle_network", one_convolution)
    monkeypatch.setattr(export, "write_onnx", fail)
    table = tmp_path / "exports.md"
    table.write_text(
        export_table.HEAD + "| `another` | own | A | pt2 | ok |  |  |  |  |\n| `" + VNET.name + "` | own | B |\n"
    )
    export_table.main(out=str(table), bundles="vnet", networks="own")
    rows = table.read_text().removeprefix(export_table.HEAD).splitlines()
    assert rows[0].startswith("| `another` | own | A |")
    forms = {row.split(" | ")[3]: row for row in rows[1:]}
    assert list(forms) == ["onnx", "pt2", "safetensors", "ts"]
    assert "| **fails** (RuntimeError: no such/operator) | 8 x 8 |  |  |" in forms["onnx"]
    assert re.search(r"\| ok \| 8 x 8 \| 0\.0 \| 0e\+00 \|", forms["safetensors"])
    assert re.search(r"\| ok, scripted \| 8 x 8 \| 0\.0 \| 0e\+00 \|", forms["ts"])


@pytest.mark.parametrize("bundle", sorted(Path("bundles").glob("*/configs")), ids=lambda path: path.parent.name)
def test_overlays_change_the_network_only(bundle):
    """Without TensorRT and a GPU `trt_compile` gives the network back."""
    tiny = [str(bundle / f"{name}.json") for name in ("inference", "inference_tiny", "inference_trt")]
    parser = ConfigParser(ConfigParser.load_config_files(tiny))
    assert parser.get_parsed_content("network") is parser.get_parsed_content("network_def")
    parser = ConfigParser(ConfigParser.load_config_files([*tiny[:2], str(bundle / "exported.json")]))
    assert type(parser.get_parsed_content("network")).__name__ == "ExportedNetwork"
    assert parser.get_parsed_content("ckpt_path").endswith("/models/model.pt2")
