import torch
from monai.engines import SupervisedTrainer

from shared.handlers import PrepareBatchTargets


def test_image_and_named_targets_are_handed_over():
    batch = {"image": torch.zeros(1), "label": torch.ones(1), "memberships": torch.ones(2), "case": ["a"]}
    image, targets, further, named = PrepareBatchTargets(["label", "memberships"])(batch, "cpu", dtype=torch.float64)
    assert image.dtype == torch.float64
    assert set(targets) == {"label", "memberships"}
    assert targets["memberships"].shape == (2,)
    assert (further, named) == ((), {})


class MaskedLine(torch.nn.Linear):
    def forward(self, image, keep, scale):
        return super().forward(image * keep) + scale


def test_a_trainer_calls_the_network_with_further_inputs_in_the_order_named():
    batch = {"image": torch.ones(1, 3), "keep": torch.tensor([[1.0, 0.0, 1.0]]), "scale": torch.tensor(2.0)}
    batch["label"] = torch.zeros(1, 1)
    network = MaskedLine(3, 1, bias=False)
    torch.nn.init.ones_(network.weight)
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=[batch],
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.0),
        loss_function=lambda pred, target: (pred - target["label"]).mean(),
        prepare_batch=PrepareBatchTargets(["label"], input_keys=["keep", "scale"]),
        decollate=False,
    )
    trainer.run()
    assert trainer.state.output["loss"].item() == 4.0  # (1 + 0 + 1) + 2
