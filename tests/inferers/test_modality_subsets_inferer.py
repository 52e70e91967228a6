import pytest
import torch
from monai.data import MetaTensor
from monai.inferers import SimpleInferer, SlidingWindowInferer

from shared.data import NOT_RUN, modality_subsets
from shared.inferers import ModalitySubsetsInferer

BITS = torch.tensor([1, 2, 4, 8])


class SeenModalities(torch.nn.Module):
    """Sixteen classes: the largest logit is that of the set of modalities that can be seen, as a binary number."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, image):
        self.calls += 1
        assert type(image) is torch.Tensor
        seen = ((~image.isnan().flatten(2).any(-1)) * BITS).sum(1)
        return torch.nn.functional.one_hot(seen, 16).float()[..., None, None, None].expand(-1, -1, *image.shape[2:])


@pytest.fixture
def images():
    return torch.randn(2, 4, 5, 6, 3, generator=torch.Generator().manual_seed(0))


def test_every_map_is_of_its_subset_and_no_other(images):
    network, before = SeenModalities(), images.clone()
    maps = ModalitySubsetsInferer(SimpleInferer())(images, network)
    assert maps.shape == (2, 15, 5, 6, 3)
    assert maps.dtype == torch.uint8
    expected = (torch.tensor(modality_subsets(4)) * BITS).sum(1)
    assert torch.equal(maps, expected.view(1, 15, 1, 1, 1).expand_as(maps).to(maps))
    assert network.calls == 15
    assert torch.equal(images, before), "the input was changed"


def test_a_subset_that_needs_an_absent_modality_is_not_run(images):
    """The first image lacks the second modality, of which rotation left some voxels; the other has all four."""
    images[0, 1, 2:] = torch.nan
    network = SeenModalities()
    maps = ModalitySubsetsInferer(SimpleInferer())(images, network)
    needs = torch.tensor(modality_subsets(4))[:, 1]
    assert needs.sum() == 8
    assert (maps[0, needs] == NOT_RUN).all()
    alone = ModalitySubsetsInferer(SimpleInferer())(images[1:], network)
    assert torch.equal(maps[1], alone[0])
    assert torch.equal(maps[0, ~needs], alone[0, ~needs])


def test_what_an_image_lacks_costs_nothing(images):
    network = SeenModalities()
    images[:, 2:] = torch.nan
    ModalitySubsetsInferer(SimpleInferer())(images, network)
    assert network.calls == 3


@torch.no_grad()
def test_full_set_and_single_modality_are_what_the_inferer_gives_for_them_and_metadata_stays(images):
    torch.manual_seed(0)
    convolution = torch.nn.Conv3d(4, 3, kernel_size=3, padding=1)
    window = SlidingWindowInferer(roi_size=(4, 4, 3), overlap=0.5)

    def network(image):
        return convolution(image.nan_to_num())

    affine = torch.diag(torch.tensor([2.0, 1.0, 1.0, 1.0], dtype=torch.float64))
    maps = ModalitySubsetsInferer(window)(MetaTensor(images, affine=affine), network)
    assert torch.equal(maps.affine, affine)
    only_third = images.clone()
    only_third[:, [0, 1, 3]] = torch.nan
    for place, image in [(14, images), (2, only_third)]:
        assert torch.equal(maps[:, place].as_tensor(), window(image, network).argmax(1).to(torch.uint8))
