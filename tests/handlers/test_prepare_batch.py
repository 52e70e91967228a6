import torch

from shared.handlers import PrepareBatchTargets


def test_image_and_named_targets_are_handed_over():
    batch = {"image": torch.zeros(1), "label": torch.ones(1), "memberships": torch.ones(2), "case": ["a"]}
    image, targets = PrepareBatchTargets(["label", "memberships"])(batch, "cpu", dtype=torch.float64)
    assert image.dtype == torch.float64
    assert set(targets) == {"label", "memberships"}
    assert targets["memberships"].shape == (2,)
