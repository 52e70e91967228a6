"""What `interactions` reports is what the network computes."""

import torch
from small_task_interaction import images, small_network, trained


def test_interactions_are_the_networks_own():
    network = trained()
    seen = []
    for level in network.interactions_at:
        level.enhance.register_forward_hook(lambda module, inputs, output: seen.append((inputs, output)))
        level.weigh.register_forward_hook(lambda module, inputs, output: seen.append(output))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    levels = network.interactions(images())
    assert len(levels) == 4
    for level, ((decoded, vector), (enhanced, enhanced_vector)), weights in zip(
        levels, seen[::2], seen[1::2], strict=True
    ):
        torch.testing.assert_close(torch.stack([level["omega_seg"], level["omega_clf"]], dim=1), weights)
        for image in range(2):
            moved = (enhanced[image] - decoded[image]).square().sum().sqrt() / decoded[image].square().sum().sqrt()
            torch.testing.assert_close(level["displacement_seg"][image], moved)
            moved = (enhanced_vector - vector)[image].norm() / vector[image].norm()
            torch.testing.assert_close(level["displacement_clf"][image], moved)
        assert 0 < level["displacement_seg"].min() <= level["displacement_seg"].max() <= 0.7  # mu - 1
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(value.requires_grad for level in levels for value in level.values())


def test_interactions_without_upa_and_without_tim():
    for level in small_network(proxy_attention=False).eval().interactions(images()):
        assert level["omega_seg"].tolist() == level["omega_clf"].tolist() == [1, 1]
    assert small_network(interaction=False).eval().interactions(images()) == []
