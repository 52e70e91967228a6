import torch
from monai.data import MetaTensor

from shared.transforms import SampleLogitsd


def test_a_mask_that_the_preprocessing_accepted_is_not_checked_again():
    """A box of 8 litres, larger than a brain: `--checks "{'volume': False}"` lets it in."""
    affine = torch.diag(torch.tensor([25.0, 25.0, 25.0, 1.0]))
    data = {
        "image": MetaTensor(torch.randn(1, 8, 8, 8), affine=affine),
        "brain": MetaTensor(torch.ones(1, 8, 8, 8), affine=affine),
        "pred": MetaTensor(torch.randn(3, 8, 8, 8), affine=affine),
        "label": MetaTensor(torch.ones(1, 8, 8, 8), affine=affine),
        "case": "large",
    }
    drawn = SampleLogitsd(100)(data)
    assert (drawn["pred"].shape, drawn["label"].tolist()) == ((3, 100), [1] * 100)
    expected = {tuple(column) for column in data["pred"].flatten(1).T.tolist()}
    assert {tuple(column) for column in drawn["pred"].T.tolist()} <= expected
