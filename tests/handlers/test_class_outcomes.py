import torch
from ignite.metrics import Accuracy

from shared.handlers import class_probabilities_and_truth


def test_ignite_counts_the_right_classes():
    metric = Accuracy(output_transform=class_probabilities_and_truth)
    outputs = [([0.2, 0.5, 0.3], 1), ([0.6, 0.3, 0.1], 2), ([0.1, 0.2, 0.7], torch.tensor(2))]
    for probabilities, truth in outputs:
        metric.iteration_completed(
            type("Engine", (), {"state": type("State", (), {"output": [
                {"class_probabilities": torch.tensor(probabilities), "true_class": truth}
            ]})})()
        )  # fmt: skip
    assert metric.compute() == 2 / 3
