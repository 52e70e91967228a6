"""A network returns a dictionary in training and one tensor in evaluation."""

import torch
from monai.data import MetaTensor
from subset_networks import SIZES, every_network, make, mixed, run, tensors, volume

from shared.networks import M3AE, UHVED, CLoE, MMFormer, RFNet, RobustSeg, ShaSpec, UHeMIS

pytestmark = every_network
EXPERTS_OF_GATE = (CLoE, "expert_decoder")


def halved(size, first):
    """Return shapes (3, 4, *spatial) of four maps of logits, of which the first is halved `first` times."""
    return [(3, 4, *(length // 2**level for length in size)) for level in range(first, first + 4)]


CUBE = SIZES[RFNet]
GAUSSIANS = [(3, 4, 2**level, *(length // 2**level for length in CUBE)) for level in range(4)]
AUXILIARY = {  # shapes for three samples of four modalities and classes
    CLoE: {
        "experts": (3, 4, 4, *CUBE),
        "region": (3, 1, *CUBE),
        "weights": (3, 4),
        "scores": (3, 4, 2),
        "decoded": (3, 4),
    },
    M3AE: {"deep_supervision": [(3, 4, *[edge] * 3) for edge in (16, 8, 8, 4, 4)], "views": (3, 2, 4, 4, 4, 4)},
    MMFormer: {"experts": (3, 4, 4, *SIZES[MMFormer]), "deep_supervision": halved(SIZES[MMFormer], first=1)},
    RFNet: {"experts": (3, 4, 4, *CUBE), "deep_supervision": halved(CUBE, first=0)},
    RobustSeg: {"images": (3, 4, *CUBE), "style_mean": (3, 4, 16), "style_log_variance": (3, 4, 16)},
    ShaSpec: {"shared": (3, 4, 8, 2, 1, 2), "domain_logits": (3, 4, 4)},
    UHeMIS: {},
    UHVED: {"images": (3, 4, *CUBE), "means": GAUSSIANS, "log_variances": GAUSSIANS},
}
ZERO_WHERE_ABSENT = {
    CLoE: ["experts"],
    MMFormer: ["experts"],
    RFNet: ["experts"],
    RobustSeg: ["images"],
    ShaSpec: ["shared", "domain_logits"],
    UHVED: ["means"],
}


def test_training_returns_these_outputs_of_these_shapes(kind):
    output = make(kind)(mixed(kind))
    shapes = {
        name: [tuple(item.shape) for item in value] if isinstance(value, list) else tuple(value.shape)
        for name, value in output.items()
    }
    assert shapes == {"pred": (3, 4, *SIZES[kind]), "present": (3, 4), "available": (3, 4), **AUXILIARY[kind]}
    assert not any(value.isnan().any() for value in tensors(output))


def test_training_tells_the_present_modalities_and_gives_zeros_for_the_absent(kind):
    output = make(kind)(mixed(kind))
    present = torch.tensor([[True, False, True, True], [False, True, False, False], [True] * 4])
    assert torch.equal(output["present"], present)
    assert torch.equal(output["available"], present)
    for name in ZERO_WHERE_ABSENT.get(kind, []):
        for value in output[name] if isinstance(output[name], list) else [output[name]]:
            assert torch.equal(value.flatten(2).any(2), present)


def test_evaluation_computes_no_auxiliary_output(kind):
    network = (make(kind, branches=["style"]) if kind is CLoE else make(kind)).eval()
    names = ("expert_decoder", "regions", "image_decoders", "branches", "coarse_heads", "domain_classifier")
    names = [name for name in names if getattr(network, name, None) is not None and (kind, name) != EXPERTS_OF_GATE]
    auxiliary = [module for name in names for module in getattr(network, name).modules()]
    assert bool(auxiliary) == (kind is not UHeMIS)
    called = []
    for module in auxiliary:
        module.register_forward_pre_hook(lambda module, _: called.append(module))
    assert isinstance(run(network, mixed(kind)), torch.Tensor)
    assert not called


def test_evaluation_repeats_itself(kind):
    network = make(kind)
    assert torch.equal(run(network, mixed(kind)), run(network, mixed(kind)))


def test_evaluation_keeps_the_metadata(kind):
    assert isinstance(run(make(kind), MetaTensor(mixed(kind))), MetaTensor)


def test_gradients_reach_every_parameter(kind):
    network = make(kind)
    sum(value.square().mean() for value in tensors(network(volume(kind))) if value.is_floating_point()).backward()
    without = {name for name, parameter in network.named_parameters() if parameter.grad is None}
    assert not without
    zero = {name for name, parameter in network.named_parameters() if not parameter.grad.any()}
    assert all(name.endswith("bias") for name in zero)  # cancelled by the normalisation that follows
