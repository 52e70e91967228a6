"""A sample is segmented the same whatever is next to it, in a batch or in a sliding window."""

import torch
from monai.data import MetaTensor
from monai.inferers import sliding_window_inference
from subset_networks import NAN, SIZES, every_network, make, mixed, run, volume

pytestmark = every_network


def test_sample_of_a_mixed_batch_is_what_it_is_alone(kind):
    network, image = make(kind), mixed(kind)
    together = run(network, image)
    for sample in range(3):
        alone = run(network, image[sample : sample + 1])[0]
        torch.testing.assert_close(together[sample], alone, rtol=1e-3, atol=1e-3)


def test_permuted_samples_give_permuted_outputs(kind):
    network, image = make(kind), mixed(kind)
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(run(network, image[order]), run(network, image)[order], rtol=1e-3, atol=1e-3)


def test_a_sliding_window_takes_a_case_without_a_modality(kind):
    """Two windows, whose mean counts where they overlap."""
    network, length = make(kind).eval(), SIZES[kind][0]
    image = torch.cat([volume(kind), volume(kind, seed=2)[:, :, :8]], dim=2)
    image[:, 2] = NAN
    with torch.no_grad():
        output = sliding_window_inference(MetaTensor(image), SIZES[kind], 1, network, overlap=0.5)
    first, second = run(network, image[:, :, :length]), run(network, image[:, :, 8:])
    overlap = (first[:, :, 8:] + second[:, :, :-8]) / 2
    expected = torch.cat([first[:, :, :8], overlap, second[:, :, -8:]], dim=2)
    torch.testing.assert_close(output.as_tensor(), expected, rtol=1e-3, atol=1e-3)
