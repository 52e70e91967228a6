import hashlib
from functools import partial

import pytest
import torch

from ci.prepare import convert_checkpoint
from ci.prepare.convert_checkpoint import converted
from ci.prepare.published_names import PUBLISHED_ORDER, published_name
from shared.errors import InputError
from shared.networks import MMFormer, RFNet

OURS = ("t1", "t1ce", "t2", "flair")
SMALL = {
    "mmformer": partial(MMFormer, features=2, hidden_size=8, mlp_dim=12, num_heads=2, img_size=(32, 32, 32)),
    "rfnet": partial(RFNet, features=4),
}
NEVER_USED = {
    f"{modality}_decode_conv.{kind}": torch.zeros(1) for modality in PUBLISHED_ORDER for kind in ("weight", "bias")
}
# SHA-256 of the sorted names in the public networks' state dicts, of which mmFormer's has eight that nothing uses.
NAMES_THERE = {
    "mmformer": "64f490e63c494d7bf461f3853193dd37e010d1d16487edf974fac39a04c9accc",
    "rfnet": "27a06b5f1a53c2ae358d357b21dce5a42f7b737eab9af43942e1c43b44dfab3e",
}


@pytest.fixture
def small(monkeypatch):
    """Networks of the same names and fewer channels."""
    monkeypatch.setattr(convert_checkpoint, "NETWORKS", SMALL)


def as_published(kind, network):
    """A state dict as the public code would save it, parallel training included."""
    state = {}
    for name, weight in network.state_dict().items():
        if name.endswith("positions"):
            weight = weight[None]
        elif ".weigh." in name and name.endswith("weight"):
            weight = weight[..., None, None, None]
        state[f"module.{published_name(kind, name)}"] = weight
    return state | ({f"module.{name}": weight for name, weight in NEVER_USED.items()} if kind == "mmformer" else {})


@pytest.mark.parametrize("kind", SMALL)
def test_every_name_of_the_public_state_dict_is_found_and_no_other(kind):
    with torch.device("meta"):
        names = {name.removeprefix("module.") for name in as_published(kind, SMALL[kind]())}
    assert hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest() == NAMES_THERE[kind]


@pytest.mark.parametrize(
    ("kind", "ours", "there"),
    [
        ("mmformer", "encoders.by_modality.1.levels.0.enter.weight", "t1ce_encoder.e1_c1.weight"),
        ("mmformer", "encoders.by_modality.3.levels.4.residual.1.conv.bias", "t2_encoder.e5_c3.conv.bias"),
        ("mmformer", "levels.0.up.1.conv.weight", "decoder_fuse.d4_c1.conv.weight"),
        ("mmformer", "expert_decoder.levels.3.merge.1.conv.weight", "decoder_sep.d1_out.conv.weight"),
        ("mmformer", "within.0.positions", "flair_pos"),
        (
            "mmformer",
            "within.2.transformer.layers.0.feed_forward.4.bias",
            "t1_transformer.cross_ffn_list.0.fn.fn.net.3.bias",
        ),
        (
            "mmformer",
            "across.layers.0.qkv.weight",
            "multimodal_transformer.cross_attention_list.0.fn.fn.qkv.weight",
        ),
        ("mmformer", "deepest.enter.weight", "decoder_fuse.RFM5.fusion_layer.0.conv.weight"),
        ("mmformer", "levels.1.skip.blocks.1.conv.bias", "decoder_fuse.RFM3.fusion_layer.2.conv.bias"),
        ("mmformer", "regions.0.weight", "decoder_fuse.seg_d4.weight"),
        ("rfnet", "levels.0.merge.0.conv.weight", "decoder_fuse.d3_c2.conv.weight"),
        ("rfnet", "deepest.region_maps.head.1.bias", "decoder_fuse.prm_generator4.prm_layer.1.bias"),
        (
            "rfnet",
            "levels.2.skip.region_maps.embed.blocks.0.conv.weight",
            "decoder_fuse.prm_generator1.embedding_layer.1.conv.weight",
        ),
        ("rfnet", "deepest.fusion.weigh.3.2.weight", "decoder_fuse.RFM4.modal_fusion.3.weight_layer.2.weight"),
        (
            "rfnet",
            "levels.0.skip.fusion.regions.2.conv.weight",
            "decoder_fuse.RFM3.region_fusion.fusion_layer.2.conv.weight",
        ),
        ("rfnet", "levels.1.skip.fusion.shortcut.enter.bias", "decoder_fuse.RFM2.short_cut.0.conv.bias"),
        ("rfnet", "head.weight", "decoder_fuse.seg_layer.weight"),
    ],
)
def test_names_by_hand(kind, ours, there):
    assert published_name(kind, ours) == there


@pytest.mark.parametrize("kind", SMALL)
def test_weights_come_back_under_our_names(small, kind):
    network = SMALL[kind]()
    weights = converted(kind, as_published(kind, network))
    assert weights.keys() == network.state_dict().keys()
    assert all(torch.equal(weights[name], weight) for name, weight in network.state_dict().items())


def test_modalities_in_another_order_give_the_same_segmentation(small):
    """Also in weights that hold all modalities side by side; the absent one is another place, too."""
    network = SMALL["rfnet"]().eval().double()
    other = SMALL["rfnet"]().eval().double()
    other.load_state_dict(converted("rfnet", as_published("rfnet", network), OURS))
    image = torch.randn(1, 4, 16, 16, 16, dtype=torch.double)
    image[:, 2] = torch.nan
    with torch.no_grad():
        expected, found = network(image), other(image[:, [PUBLISHED_ORDER.index(name) for name in OURS]])
    torch.testing.assert_close(found, expected)


def test_an_order_that_the_weights_cannot_have_is_refused(small):
    state = as_published("mmformer", SMALL["mmformer"]())
    with pytest.raises(InputError, match=r"its weights hold for no other than flair, t1ce, t1, t2; leave --modalities"):
        converted("mmformer", state, OURS)
    for given, named in ((("t1", "t2"), r"\['t1', 't2'\]"), (5, r"\[5\]")):
        with pytest.raises(InputError, match=rf"{named}: give flair, t1ce, t1, t2, in any order"):
            converted("rfnet", {}, given)


def test_what_does_not_fit_is_listed(small):
    state = as_published("rfnet", SMALL["rfnet"]())
    state["stray"] = state.pop("module.t1_encoder.e1_c1.conv.bias")
    state["module.t2_encoder.e2_c2.conv.bias"] = torch.zeros(3)
    with pytest.raises(InputError) as caught:
        converted("rfnet", state)
    for part in (
        "no weights of the published rfnet",
        "missing: t1_encoder.e1_c1.conv.bias",
        "unexpected: stray",
        "t2_encoder.e2_c2.conv.bias: has shape (3,), (8,) is needed",
    ):
        assert part in str(caught.value)
    assert str(caught.value).count(";") == 2
    with pytest.raises(InputError, match=r"; and \d+ more\.$"):
        converted("mmformer", state)


def test_unused_weights_of_mmformer_are_unexpected_in_rfnet(small):
    state = as_published("rfnet", SMALL["rfnet"]()) | NEVER_USED
    with pytest.raises(InputError, match=r"unexpected: flair_decode_conv.bias"):
        converted("rfnet", state)


def test_five_classes_as_in_brats_2015(small):
    network = SMALL["rfnet"](out_channels=5)
    assert converted("rfnet", as_published("rfnet", network))["head.bias"].shape == (5,)


@pytest.mark.parametrize("alone", [True, False])
def test_the_command_writes_plain_weights_and_names_what_it_left_out(small, tmp_path, capsys, alone):
    network = SMALL["mmformer"]()
    state = as_published("mmformer", network)
    torch.save(state if alone else {"epoch": 1, "state_dict": state, "optim_dict": {}}, tmp_path / "published.pth")
    convert_checkpoint.main(
        network="mmformer", checkpoint=str(tmp_path / "published.pth"), out=str(tmp_path / "models" / "model.pt")
    )
    network.load_state_dict(torch.load(tmp_path / "models" / "model.pt", weights_only=True))
    printed = capsys.readouterr().out
    assert "never uses them: module.flair_decode_conv.weight" in printed
    assert "in this order: flair, t1ce, t1, t2." in printed


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "published.pth: no such checkpoint"),
        (b"PK", "published.pth: not a file of plain tensors"),
        ({"epoch": 1}, "published.pth: holds no state dict"),
        ({}, "published.pth: these are no weights of the published rfnet: missing: "),
    ],
)
def test_a_file_that_is_no_checkpoint_is_named_and_nothing_written(tmp_path, content, message):
    path = tmp_path / "published.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(InputError, match=message):
        convert_checkpoint.main(network="rfnet", checkpoint=str(path), out=str(tmp_path / "model.pt"))
    assert not (tmp_path / "model.pt").exists()


def test_an_unknown_network_is_named(tmp_path):
    with pytest.raises(InputError, match="network 'uhemis' is unknown; choose mmformer or rfnet"):
        convert_checkpoint.main(network="uhemis", checkpoint="a.pth", out=str(tmp_path / "model.pt"))
