import torch

from shared.transforms import KeepLabeld


def test_the_label_takes_the_place_of_its_dictionary():
    label, pred = torch.ones(1, 4, 4), torch.zeros(2, 4, 4)
    data = {"label": {"label": label, "memberships": pred}, "pred": pred}
    kept = KeepLabeld("label")(data)
    assert kept["label"] is label
    assert kept["pred"] is pred
    assert isinstance(data["label"], dict)
