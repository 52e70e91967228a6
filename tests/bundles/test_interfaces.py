"""What MONAI's own commands and other programs ask of every bundle."""

import posixpath
import re
import zipfile
from functools import partial
from pathlib import Path
from pydoc import locate

import pytest
import torch
from entry_points import is_traced
from monai.bundle import ConfigParser, ckpt_export, verify_net_in_out
from monai.bundle.scripts import _get_fake_input_shape
from monai.transforms import MapTransform
from small_networks import SMALL_NETWORKS

from ci.lint.config_files import bundles_below
from ci.lint.lint_configs import lint
from ci.release.pack import pack


@pytest.fixture(params=bundles_below(Path()), ids=lambda bundle: bundle.name)
def bundle(request):
    return request.param


def test_configs_have_no_fault(bundle):
    assert lint(bundle) == []


def test_packed_bundle_holds_configs_documents_and_its_own_code(bundle, tmp_path):
    with zipfile.ZipFile(pack(bundle, tmp_path / "first")) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    own = r"LICENSE|configs/\w+\.(json|conf)|docs/.+|models/(model|painted)\.pt"
    kind = re.compile(rf"{bundle.name}/({own}|{bundle.name}_lib/(\w+/)?\w+\.py)")
    assert [name for name in files if not kind.fullmatch(name)] == []
    here = [str(path).encode() for path in (Path.cwd(), Path.home(), tmp_path) if len(path.parts) > 1]
    assert [name for name, content in files.items() if any(path in content for path in here)] == []


@pytest.mark.parametrize("chain", ["preprocessing", "postprocessing"])
def test_monai_deploy_hands_dictionaries_to_the_chains(bundle, chain):
    """Its bundle operator leaves out what has LoadImage or SaveImage in its name; the first one left decides."""
    steps = ConfigParser.load_config_file(bundle / "configs" / "inference.json")[chain]["transforms"]
    first = next(step["_target_"] for step in steps if not re.search("LoadImage|SaveImage", step["_target_"]))
    assert issubclass(locate(first if "." in first else f"monai.transforms.{first}"), MapTransform)


def links(text):
    """Targets of the relative links in a Markdown text."""
    found = re.findall(r"\]\(([^)#\s]+)", text)
    return [link for link in found if not re.match(r"\w+:", link)]


def test_links_of_the_documents_lead_to_files_of_the_zip(bundle, tmp_path):
    with zipfile.ZipFile(pack(bundle, tmp_path)) as archive:
        files = set(archive.namelist())
        documents = {name: archive.read(name).decode() for name in files if name.endswith(".md")}
    assert len(documents) == 3
    found = [
        (name, posixpath.normpath(f"{name}/../{link}")) for name, text in documents.items() for link in links(text)
    ]
    assert [(name, target) for name, target in found if target not in files] == []
    assert any(f"/{bundle.name}_lib/" in target for _, target in found)


def test_packing_twice_gives_the_same_bytes(bundle, tmp_path):
    first, second = (pack(bundle, tmp_path / folder) for folder in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


def network_files(bundle):
    return {
        "net_id": "network_def",
        "config_file": str(bundle / "configs" / "inference.json"),
        "meta_file": str(bundle / "configs" / "metadata.json"),
    }


def test_network_takes_and_gives_what_the_metadata_say(bundle):
    verify_net_in_out(**network_files(bundle), device="cpu", bundle_root=str(bundle))


NETWORKS = sorted(path for bundle in bundles_below(Path()) for path in bundle.glob("configs/network_*.json"))


@pytest.mark.parametrize("overlay", NETWORKS, ids=lambda path: path.stem)
def test_another_network_fits_training_and_inference_and_finds_its_own_weights(overlay):
    """An overlay that replaces the network gives what the bundle's own does."""
    configs, networks, folders = overlay.parent, [], []
    metadata = ConfigParser.load_config_file(configs / "metadata.json")["network_data_format"]
    channels, axes = (metadata["inputs"]["image"][key] for key in ("num_channels", "spatial_shape"))
    for first, tiny in (("train", "tiny"), ("inference", "inference_tiny")):
        parser = ConfigParser()
        parser.read_config([str(path) for path in (configs / f"{first}.json", configs / f"{tiny}.json", overlay)])
        own, small = (ConfigParser.load_config_file(path) for path in (overlay, configs / f"{tiny}.json"))
        sizes = {key: small[key] for key in own.keys() & small.keys() - {"network_def"}}
        parser.update(sizes | SMALL_NETWORKS.get(overlay.stem, {}))
        networks.append(parser.get_parsed_content("network_def").eval())
        folders.append(parser.get_parsed_content("ckpt_dir" if first == "train" else "ckpt_path"))
    assert folders[1] == f"{folders[0]}/model.pt"
    networks[1].load_state_dict(networks[0].state_dict())
    size = [64] * 2 if len(axes) == 2 else [32] * 3
    with torch.no_grad():
        output = networks[1](torch.rand(2, channels, *size))
    assert output.shape == (2, metadata["outputs"]["pred"]["num_channels"], *size)


def test_exported_network_gives_the_same(bundle, tmp_path, monkeypatch):
    """Scripted, or traced where the README says so; with the tiny settings where these keep the network's class."""
    files, tiny = network_files(bundle), ConfigParser.load_config_file(bundle / "configs" / "inference_tiny.json")
    if "network_def" not in tiny:
        config = ConfigParser.load_config_file(files["config_file"]) | tiny
        files["config_file"] = str(tmp_path / "inference.json")
        ConfigParser.export_config_file(config, files["config_file"])
    parser = ConfigParser()
    parser.read_meta(files["meta_file"])
    parser.read_config(files["config_file"])
    network = parser.get_parsed_content("network_def").eval()
    torch.save(network.state_dict(), tmp_path / "model.pt")
    monkeypatch.setattr(torch.jit, "trace", partial(torch.jit.trace, check_trace=False))  # compared here
    made = {"ckpt_file": str(tmp_path / "model.pt"), "filepath": str(tmp_path / "model.ts")}
    ckpt_export(**files, **made, use_trace=is_traced(bundle), bundle_root=str(bundle))
    exported = torch.jit.load(tmp_path / "model.ts")
    image = torch.rand(_get_fake_input_shape(parser))
    with torch.no_grad():
        torch.testing.assert_close(exported(image), network(image))
