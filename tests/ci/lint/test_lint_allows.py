"""What looks like a fault and is none."""

import pytest
from clean_bundle import GONE, IN_BOTH


def test_the_clean_bundle_has_no_fault(bundle):
    assert bundle.lint() == []


ALLOWED = [
    # {(file, id): new value} of changes that break no rule
    {("train", "run::0"): "$print('shared_memory') or @train::trainer.run()"},
    {("train", "run::0"): "$@train::trainer.run() if 7 % 2 else None"},
    {("train", "validate::handlers::0::_disabled_"): "True"},
    {("train", "validate::handlers::0::_disabled_"): "$@max_epochs > 3"},
    {("train", "train::inferer"): {"_target_": "$monai.inferers.SimpleInferer"}},
    {("train", "inferer"): "SimpleInferer", ("train", "train::inferer::_target_"): "@inferer"},
    {("train", "_note"): {"_target_": ["a list"]}},
    {("train", "_desc_"): "/data/of @nobody", ("train", "train::_desc_"): "% of @nobody"},
    {("train", "output_dir"): "eval"},
    {("train", "num_workers"): 4},
    {("train", "max_epochs"): "$len(@_meta_::spacing)"},
    {("train", f"{IN_BOTH}::keys"): ["image", "image2"]},
    {("train", "train::preprocessing::transforms::0::meta_keys"): ["image_meta_dict", "label_meta_dict"]},
    {
        ("train", "train::postprocessing::transforms"): [
            {"_target_": "ThresholdIntensityd", "keys": "image", "threshold": 0.5}
        ]
    },
    {("train", "classes"): [2], ("train", "network_def::out_channels"): "@classes#0"},
]


@pytest.mark.parametrize("changes", ALLOWED)
def test_what_breaks_no_rule_passes(bundle, changes):
    for (name, at), value in changes.items():
        bundle.change(name, at, value)
    assert bundle.lint() == []


def test_metadata_may_hold_any_text(bundle):
    bundle.metadata |= {"data_source": "/data", "references": ["@nobody", "$1 +", "% of all"]}
    assert bundle.lint() == []


def test_what_a_note_describes_may_lack_arguments_but_have_no_wrong_ones(bundle):
    bundle.configs["tiny"] = {"_note_": {"_target_": "Resized"}}
    assert bundle.lint() == []


def test_without_a_list_of_modalities_nothing_is_absent(bundle):
    """A bundle for colour images has no `modalities`, and may change their contrast."""
    for name in ("train", "inference"):
        bundle.change(name, "modalities", GONE)
        bundle.change(name, "network_def::in_channels", 3)
    bundle.change("train", f"{IN_BOTH}", {"_target_": "RandAdjustContrastd", "keys": "image"})
    assert bundle.lint() == []
