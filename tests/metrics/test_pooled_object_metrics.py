"""Scores on objects are pooled over images, whatever the kind of array and the numbers of the objects."""

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor
from monai.handlers import IgniteMetricHandler, from_engine
from object_images import random_image, scores, spoilt

from shared.metrics import ObjectDiceMetric, ObjectSums, object_dice, object_f1, object_hausdorff, object_sums


def test_sums_pool_as_the_lists_do():
    random = np.random.default_rng(5)
    truths = [random_image(random, objects) for objects in (3, 0, 5)]
    predictions = [spoilt(random, truth) for truth in truths]
    together = sum((object_sums(*pair, pixel_size_um=0.5) for pair in zip(predictions, truths)), ObjectSums())
    assert (together.f1, together.dice) == pytest.approx(
        (object_f1(predictions, truths), object_dice(predictions, truths))
    )
    assert together.hausdorff_um == pytest.approx(object_hausdorff(predictions, truths, pixel_size_um=0.5))
    assert together.one_sided == 1  # something is always invented
    assert np.isnan(object_sums(predictions[0], truths[0], distances=False).hausdorff_um)


def test_kind_of_array_and_numbering_do_not_matter():
    random = np.random.default_rng(3)
    truth = random_image(random, 8)
    prediction = spoilt(random, truth)
    expected = scores([prediction], [truth])
    assert scores([torch.as_tensor(prediction)], [MetaTensor(truth)]) == expected
    renumbered = np.where(prediction > 0, 3 * prediction.astype(np.int64) + 70_000, 0)
    assert scores([renumbered], [truth.astype(np.uint16)]) == expected
    assert scores([prediction.T], [truth.T]) == pytest.approx(expected)
    swapped = scores([truth], [prediction])
    assert swapped[1:] == pytest.approx(expected[1:])


def test_metric_of_monai_pools_over_batches():
    random = np.random.default_rng(1)
    truths = [random_image(random, objects) for objects in (5, 2, 9)]
    predictions = [spoilt(random, truth) for truth in truths]
    cases = [
        {"pred_instances": MetaTensor(prediction[None]), "instances": torch.as_tensor(truth[None])}
        for prediction, truth in zip(predictions, truths)
    ]
    evaluator = Engine(lambda engine, batch: batch)
    pairs = from_engine(["pred_instances", "instances"])
    IgniteMetricHandler(ObjectDiceMetric(), output_transform=pairs).attach(evaluator, "object_dice")
    evaluator.run([cases[:1], cases[1:]])
    assert evaluator.state.metrics["object_dice"] == pytest.approx(object_dice(predictions, truths), rel=1e-6)
