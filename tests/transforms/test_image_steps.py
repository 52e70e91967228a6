from monai.transforms import Compose, Orientationd, RandFlipd, ScaleIntensityRanged

from shared.transforms import PrepareBraind, image_steps


def test_steps_on_values_and_axes_are_described_and_others_left_out():
    scale = ScaleIntensityRanged("image", a_min=0, a_max=10, b_min=-1, b_max=0.5)
    chain = Compose([Orientationd("image", axcodes="LPS", labels=None), scale, RandFlipd("image")])
    assert image_steps(chain) == [
        "Orientationd axcodes=LPS",
        "ScaleIntensityRanged a_min=0 a_max=10 b_min=-1 b_max=0.5",
    ]


def test_steps_inside_a_step_count():
    steps = image_steps(Compose([PrepareBraind("t1", (1, 2, 3), axcodes="LPS")]))
    assert [step.split()[0] for step in steps] == ["NormalizeInBraind", "Orientationd", "SafeSpacingd"]
    assert steps[1:] == ["Orientationd axcodes=LPS", "SafeSpacingd pixdim=[1, 2, 3]"]


def test_brains_are_brought_to_ras_by_default():
    assert "Orientationd axcodes=RAS" in image_steps(Compose([PrepareBraind("t1", (1, 1, 1))]))
