"""A training of a few images and epochs, with every part that a checkpoint holds."""

import pytest
import torch
from ignite.engine import Events
from monai.data import DataLoader, DistributedSampler
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.handlers import LrScheduleHandler, MeanDice, ValidationHandler, from_engine
from monai.transforms import AsDiscreted, Compose, RandGaussianNoised

from shared.data import EpochDataset
from shared.errors import InputError
from shared.handlers import EarlyStopping, EpochSeed, TrainingCheckpoint

EPOCHS = 5


class Stop(Exception):
    """Stands for a kill signal."""


class LearnableWeight(torch.nn.Module):
    """A loss with a parameter of its own, as `ParetoFuzzyLoss` has."""

    def __init__(self):
        super().__init__()
        self.raw = torch.nn.Parameter(torch.zeros(()))

    def forward(self, logits, label):
        return self.raw.sigmoid() * torch.nn.functional.cross_entropy(logits, label[:, 0].long())


def cosine(optimizer, epochs):
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)


def make_training(
    folder,
    resume=False,
    objects=("network", "optimizer", "lr_scheduler", "loss"),
    width=4,
    amp=False,
    interval=1,
    patience=EPOCHS,
    epochs=EPOCHS,
    adam=None,
    make_schedule=cosine,
    settings=None,
):
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, width, 3, padding=1), torch.nn.Dropout(0.5), torch.nn.Conv2d(width, 2, 1)
    )
    loss = LearnableWeight()
    optimizer = torch.optim.Adam([*network.parameters(), *loss.parameters()], **{"lr": 0.05, **(adam or {})})
    scheduler = make_schedule(optimizer, epochs)
    images = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    data = [{"image": image, "label": (image > 0.5).float(), "case": str(n)} for n, image in enumerate(images)]
    dataset = EpochDataset(data, Compose([RandGaussianNoised("image", prob=1.0)]), seed=3)
    sampler = DistributedSampler(dataset, num_replicas=1, rank=0, shuffle=True, seed=3)
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(data, batch_size=2),
        network=network,
        postprocessing=Compose([AsDiscreted(["pred", "label"], argmax=[True, False], to_onehot=2)]),
        key_val_metric={"dice": MeanDice(output_transform=from_engine(["pred", "label"]))},
    )
    every = {"network": network, "optimizer": optimizer, "lr_scheduler": scheduler, "loss": loss}
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=epochs,
        train_data_loader=DataLoader(dataset, batch_size=2, sampler=sampler),
        network=network,
        optimizer=optimizer,
        loss_function=loss,
        amp=amp,
        train_handlers=[
            EpochSeed(dataset, seed=3),
            LrScheduleHandler(scheduler, print_lr=False),
            ValidationHandler(1, evaluator),
            EarlyStopping(evaluator, patience),
            TrainingCheckpoint(folder, {name: every[name] for name in objects}, evaluator, interval, resume, settings),
        ],
    )
    return trainer, evaluator, every


def train(folder, stop_at=None, **kwargs):
    trainer, evaluator, objects = make_training(folder, **kwargs)
    if stop_at is not None:

        def stop(engine):
            raise Stop

        trainer.add_event_handler(Events.ITERATION_COMPLETED(once=stop_at), stop)
        with pytest.raises(Stop):
            trainer.run()
    else:
        trainer.run()
    return trainer, evaluator, objects


def input_error(function, *args, **kwargs):
    with pytest.raises(InputError) as caught:
        function(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


OF_ANOTHER_KIND = [
    3,
    [1],
    torch.zeros(2),
    {"model": 3},
    {"objects": {"network": [1]}},
    {"objects": {"network": {1: 2}}},
]
