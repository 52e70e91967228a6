import torch

from shared.networks import append_class_logits


def test_by_hand():
    logits = torch.tensor([[[[1.0, 2.0]]], [[[3.0, 4.0]]]])
    joined = append_class_logits(logits, torch.tensor([[5.0, 6.0], [7.0, 8.0]]))
    assert joined.tolist() == [[[[1, 2]], [[5, 5]], [[6, 6]]], [[[3, 4]], [[7, 7]], [[8, 8]]]]


def test_keeps_the_precision_of_the_mask():
    assert append_class_logits(torch.zeros(1, 1, 2, 2).half(), torch.zeros(1, 3)).dtype == torch.float16
