"""Several networks, or mirrored images, are averaged."""

import numpy as np
import pytest
import torch
from bundle_cases import inputs_of, segmenter_of
from PIL import Image
from tiny_bundle import tried_on

from shared.errors import InputError


def other_weights(bundle, folder):
    """Weights of a network that says something else."""
    weights = torch.load(bundle.out / "models" / "model.pt", weights_only=True)
    torch.manual_seed(1)
    for value in weights.values():
        if value.ndim > 1:
            value += 0.5 * value.abs().mean() * torch.randn_like(value)
    torch.save(weights, folder / "other.pt")
    return folder / "other.pt"


@tried_on("mmformer", "brats_mri_segmentation_expert_consistency", "colon")
def test_an_ensemble_gives_the_mean_of_its_networks_probabilities(trained, case, tmp_path, no_drawing):
    """Gland networks with equal decision weights: with others a mean before them is not a mean after them."""
    files = [trained.out / "models" / "model.pt", other_weights(trained, tmp_path)]
    equal = {"decision_weights": [1, 1, 1, 1]} if "colon" in trained.root.name else {}
    alone = [segmenter_of(trained, file, **equal) for file in files]
    inputs = inputs_of(case, alone[0])
    one, two = (segmenter(**inputs).probabilities.as_tensor().float() for segmenter in alone)
    assert (one - two).abs().max() > 0.02
    together = segmenter_of(trained, files, **equal)(**inputs)
    torch.testing.assert_close(together.probabilities.as_tensor().float(), (one + two) / 2, atol=2e-3, rtol=0)
    assert 0 < together.disagreement.max() < np.log(2) + 1e-6
    assert len(together.record["weights"]["ensemble"]) == 2
    assert list(together.save(tmp_path).glob("*_disagreement.*"))


@tried_on("colon")
def test_mirroring_is_that_of_the_picture(trained, case):
    picture = np.array(Image.open(case["image"]).convert("RGB"))
    equal = {"decision_weights": [1, 1, 1, 1]}
    plain = segmenter_of(trained, **equal)
    straight, mirrored = (plain(np.ascontiguousarray(image)) for image in (picture, picture[:, ::-1]))
    expected = (straight.probabilities.float() + mirrored.probabilities.float().flip(2)) / 2
    found = segmenter_of(trained, tta_axes=[1], **equal)(picture)
    torch.testing.assert_close(found.probabilities.float().as_tensor(), expected.as_tensor(), atol=2e-3, rtol=0)
    assert not torch.allclose(found.probabilities.float(), straight.probabilities.float(), atol=2e-3)
    assert found.record["settings"]["tta_axes"] == [1]
    with pytest.raises(InputError, match=r"--tta_axes: expected a list of different axes of \[0, 1\], got \[2\]"):
        segmenter_of(trained, tta_axes=[2])(picture)
