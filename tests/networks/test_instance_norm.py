import pytest
import torch
from monai.networks.nets import BasicUNet, VNet
from torch import nn

from shared.networks import with_instance_norm


@pytest.mark.parametrize(
    "make",
    [
        VNet,
        lambda: BasicUNet(2, norm="batch", features=(4,) * 6),
    ],
    ids=["VNet", "BasicUNet"],
)
def test_evaluates_one_image_as_batch_normalisation_trains_on_it(make):
    torch.manual_seed(0)
    network = make()
    image = torch.rand(1, 1, *[32] * (3 if isinstance(network, VNet) else 2))
    state = network.state_dict()
    for module in network.train().modules():
        if isinstance(module, nn.Dropout3d):
            module.eval()
    with torch.no_grad():
        expected = network(image)
        replaced = with_instance_norm(make())
        replaced.load_state_dict({name: state[name] for name in replaced.state_dict()})
        torch.testing.assert_close(replaced.eval()(image), expected, rtol=1e-3, atol=1e-4)
    assert not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in replaced.modules())
    assert len(list(replaced.parameters())) == len(list(network.parameters()))
