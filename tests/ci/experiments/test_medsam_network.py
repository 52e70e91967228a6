"""Names and shapes of the published checkpoint; with the package transformers (not in requirements.txt) the network."""

import socket
import sys
from pathlib import Path

import pytest
import torch

from ci.experiments.medsam_network import PACKAGE, load_medsam, published_name, weights_of
from shared.errors import InputError

DOCUMENT = "bundles/brats_mri_segmentation_expert_consistency/docs/paper.md"
CPU = torch.device("cpu")
LINEAR = ("weight", "bias")
WINDOW, GRID = 2 * 14 - 1, 2 * 64 - 1


def published_shapes():
    """Shapes of SAM's ViT-B as the code of its authors builds it, written down from that code."""
    shapes = {"image_encoder.pos_embed": (1, 64, 64, 768), "image_encoder.patch_embed.proj.weight": (768, 3, 16, 16)}
    shapes["image_encoder.patch_embed.proj.bias"] = (768,)
    for number in range(12):
        block, reach = f"image_encoder.blocks.{number}", GRID if number in (2, 5, 8, 11) else WINDOW
        shapes |= {f"{block}.{norm}.{part}": (768,) for norm in ("norm1", "norm2") for part in LINEAR}
        shapes |= {f"{block}.attn.rel_pos_{axis}": (reach, 64) for axis in "hw"}
        for layer, size, out in [("attn.qkv", 768, 2304), ("attn.proj", 768, 768)]:
            shapes |= {f"{block}.{layer}.weight": (out, size), f"{block}.{layer}.bias": (out,)}
        for layer, size, out in [("mlp.lin1", 768, 3072), ("mlp.lin2", 3072, 768)]:
            shapes |= {f"{block}.{layer}.weight": (out, size), f"{block}.{layer}.bias": (out,)}
    shapes |= {"image_encoder.neck.0.weight": (256, 768, 1, 1), "image_encoder.neck.2.weight": (256, 256, 3, 3)}
    shapes |= {f"image_encoder.neck.{number}.{part}": (256,) for number in (1, 3) for part in LINEAR}
    shapes["prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"] = (2, 128)
    shapes |= {f"prompt_encoder.point_embeddings.{number}.weight": (1, 256) for number in range(4)}
    shapes |= {f"prompt_encoder.{name}.weight": (1, 256) for name in ("not_a_point_embed", "no_mask_embed")}
    for number, weight in {0: (4, 1, 2, 2), 1: (4,), 3: (16, 4, 2, 2), 4: (16,), 6: (256, 16, 1, 1)}.items():
        name = f"prompt_encoder.mask_downscaling.{number}"
        shapes |= {f"{name}.weight": weight, f"{name}.bias": weight[:1]}
    attentions = [("final_attn_token_to_image", 128)]
    for number in range(2):
        layer = f"layers.{number}"
        attentions += [(f"{layer}.self_attn", 256)]
        attentions += [(f"{layer}.cross_attn_{way}", 128) for way in ("token_to_image", "image_to_token")]
        for norm in range(1, 5):
            shapes |= {f"mask_decoder.transformer.{layer}.norm{norm}.{part}": (256,) for part in LINEAR}
        for name, size, out in [("lin1", 256, 2048), ("lin2", 2048, 256)]:
            name = f"mask_decoder.transformer.{layer}.mlp.{name}"
            shapes |= {f"{name}.weight": (out, size), f"{name}.bias": (out,)}
    for attention, inner in attentions:
        for name, size, out in [(f"{x}_proj", 256, inner) for x in "qkv"] + [("out_proj", inner, 256)]:
            name = f"mask_decoder.transformer.{attention}.{name}"
            shapes |= {f"{name}.weight": (out, size), f"{name}.bias": (out,)}
    shapes |= {f"mask_decoder.transformer.norm_final_attn.{part}": (256,) for part in LINEAR}
    shapes |= {"mask_decoder.iou_token.weight": (1, 256), "mask_decoder.mask_tokens.weight": (4, 256)}
    for number, weight, bias in [(0, (256, 64, 2, 2), 64), (1, (64,), 64), (3, (64, 32, 2, 2), 32)]:
        name = f"mask_decoder.output_upscaling.{number}"
        shapes |= {f"{name}.weight": weight, f"{name}.bias": (bias,)}
    for name, last in [("iou_prediction_head", 4), *((f"output_hypernetworks_mlps.{n}", 32) for n in range(4))]:
        for number, out in enumerate((256, 256, last)):
            layer = f"mask_decoder.{name}.layers.{number}"
            shapes |= {f"{layer}.weight": (out, 256), f"{layer}.bias": (out,)}
    return shapes


def test_the_published_network_has_93_735_472_parameters():
    """Without the random frequencies of the positions, which are not trained."""
    shapes = published_shapes()
    numbers = {name: torch.Size(shape).numel() for name, shape in shapes.items()}
    assert sum(numbers.values()) - numbers["prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"] == 93_735_472


NAMES = {
    "shared_image_embedding.positional_embedding": "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
    "vision_encoder.pos_embed": "image_encoder.pos_embed",
    "vision_encoder.patch_embed.projection.bias": "image_encoder.patch_embed.proj.bias",
    "vision_encoder.layers.11.attn.rel_pos_h": "image_encoder.blocks.11.attn.rel_pos_h",
    "vision_encoder.layers.11.layer_norm2.bias": "image_encoder.blocks.11.norm2.bias",
    "vision_encoder.neck.conv1.weight": "image_encoder.neck.0.weight",
    "vision_encoder.neck.layer_norm1.weight": "image_encoder.neck.1.weight",
    "vision_encoder.neck.conv2.weight": "image_encoder.neck.2.weight",
    "vision_encoder.neck.layer_norm2.weight": "image_encoder.neck.3.weight",
    "prompt_encoder.shared_embedding.positional_embedding": (
        "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
    ),
    "prompt_encoder.point_embed.2.weight": "prompt_encoder.point_embeddings.2.weight",
    "prompt_encoder.not_a_point_embed.weight": "prompt_encoder.not_a_point_embed.weight",
    "prompt_encoder.no_mask_embed.weight": "prompt_encoder.no_mask_embed.weight",
    "prompt_encoder.mask_embed.conv1.bias": "prompt_encoder.mask_downscaling.0.bias",
    "prompt_encoder.mask_embed.layer_norm1.bias": "prompt_encoder.mask_downscaling.1.bias",
    "prompt_encoder.mask_embed.conv2.bias": "prompt_encoder.mask_downscaling.3.bias",
    "prompt_encoder.mask_embed.layer_norm2.bias": "prompt_encoder.mask_downscaling.4.bias",
    "prompt_encoder.mask_embed.conv3.bias": "prompt_encoder.mask_downscaling.6.bias",
    "mask_decoder.iou_token.weight": "mask_decoder.iou_token.weight",
    "mask_decoder.transformer.layers.0.layer_norm4.bias": "mask_decoder.transformer.layers.0.norm4.bias",
    "mask_decoder.transformer.layer_norm_final_attn.bias": "mask_decoder.transformer.norm_final_attn.bias",
    "mask_decoder.upscale_conv1.bias": "mask_decoder.output_upscaling.0.bias",
    "mask_decoder.upscale_layer_norm.bias": "mask_decoder.output_upscaling.1.bias",
    "mask_decoder.upscale_conv2.bias": "mask_decoder.output_upscaling.3.bias",
    "mask_decoder.iou_prediction_head.proj_in.bias": "mask_decoder.iou_prediction_head.layers.0.bias",
    "mask_decoder.iou_prediction_head.layers.0.bias": "mask_decoder.iou_prediction_head.layers.1.bias",
    "mask_decoder.output_hypernetworks_mlps.3.proj_out.weight": (
        "mask_decoder.output_hypernetworks_mlps.3.layers.2.weight"
    ),
}


def test_names_in_transformers_and_in_the_published_checkpoint():
    assert {ours: published_name(ours) for ours in NAMES} == NAMES
    assert {*NAMES.values()} <= {*published_shapes()}


def test_other_weights_are_refused():
    network = torch.nn.ModuleDict({"vision_encoder": torch.nn.Linear(2, 3)})
    right = {"image_encoder.weight": torch.zeros(3, 2), "image_encoder.bias": torch.zeros(3)}
    assert weights_of(right, network).keys() == {"vision_encoder.weight", "vision_encoder.bias"}
    wrong = {"image_encoder.weight": torch.zeros(2, 3), "other": torch.zeros(1)}
    with pytest.raises(
        InputError,
        match=r"no image_encoder.bias; other: unknown; image_encoder.weight: expected shape \(3, 2\), got \(2, 3\)\); "
        "give the file medsam_vit_b.pth",
    ):
        weights_of(wrong, network)


def test_the_document_installs_the_version_that_was_tested():
    assert f"pip install {PACKAGE}\n" in Path(DOCUMENT).read_text()


def test_weights_are_looked_for_at_a_path_only(tmp_path):
    with pytest.raises(InputError, match=r"medsam_vit_b.pth: no such checkpoint; correct --checkpoint"):
        load_medsam(tmp_path / "medsam_vit_b.pth", CPU)


def test_without_transformers_one_line_says_what_to_install(tmp_path, monkeypatch):
    torch.save({}, tmp_path / "medsam_vit_b.pth")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match=f"MedSAM needs the package transformers; install it: pip install {PACKAGE}"):
        load_medsam(tmp_path / "medsam_vit_b.pth", CPU)


@pytest.fixture
def transformers(monkeypatch):
    def refuse(*address):
        raise AssertionError(f"a connection to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return pytest.importorskip("transformers", reason="not in requirements.txt")


@pytest.fixture
def small(transformers):
    return transformers.SamConfig(
        vision_config={
            "hidden_size": 32, "output_channels": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
            "image_size": 64, "patch_size": 8, "window_size": 3, "global_attn_indexes": [1], "num_pos_feats": 16,
        },
        prompt_encoder_config={"hidden_size": 32, "image_size": 64, "patch_size": 8},
        mask_decoder_config={
            "hidden_size": 32, "mlp_dim": 64, "num_attention_heads": 4, "iou_head_hidden_dim": 32,
        },
    )  # fmt: skip


def test_transformers_builds_the_published_network(transformers):
    with torch.device("meta"):
        network = transformers.SamModel(transformers.SamConfig())
    built = {published_name(name): tuple(weight.shape) for name, weight in network.state_dict().items()}
    assert built == published_shapes()


def test_weights_survive_the_way_there_and_back(transformers, small, tmp_path):
    torch.manual_seed(0)
    network = transformers.SamModel(small).eval()
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    torch.save({published_name(name): weight for name, weight in network.state_dict().items()}, tmp_path / "sam.pth")
    loaded = load_medsam(tmp_path / "sam.pth", CPU, small)
    assert all(torch.equal(loaded.network.state_dict()[name], weight) for name, weight in network.state_dict().items())
    grey = (torch.arange(40 * 50).view(40, 50) % 251).byte().numpy()
    embedding, boxes = loaded.embed(grey), torch.tensor([[[8.0, 8, 32, 48], [0, 16, 64, 32]]])
    arguments = {"image_embeddings": embedding, "input_boxes": boxes, "multimask_output": False}
    assert torch.equal(loaded.network(**arguments).pred_masks, network(**arguments).pred_masks)
    assert loaded.masks(embedding, [(5, 5, 20, 30), (0, 10, 50, 20)], grey.shape).shape == (2, 40, 50)


def test_a_checkpoint_of_other_sizes(transformers, small, tmp_path):
    weights = transformers.SamModel(small).state_dict()
    torch.save({published_name(name): weight for name, weight in weights.items()}, tmp_path / "small.pth")
    with pytest.raises(InputError, match=r"small.pth: holds other weights than MedSAM's ViT-B \(no image_encoder"):
        load_medsam(tmp_path / "small.pth", CPU)
