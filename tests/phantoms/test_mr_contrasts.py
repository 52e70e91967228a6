"""How free water decides the brightness of a lesion's parts."""

import numpy as np
import pytest

from shared.phantoms.mr_contrasts import BRAIN_MODALITIES, BY_WATER, MISMATCH_SHARE, RANGES, draw_contrast, draw_water

DRY, WET = ({name: share for name in ("oedema", "solid", "necrosis")} for share in (0.0, 1.0))


@pytest.mark.parametrize("modality", BRAIN_MODALITIES)
def test_water_moves_a_tissue_through_its_share_of_the_range(modality):
    """Seven tenths of the range: up in T2, and for oedema in FLAIR; else down."""
    dry, wet = (draw_contrast(np.random.default_rng(0), modality, water) for water in (DRY, WET))
    for tissue, (low, high) in RANGES[modality].items():
        moved = BY_WATER * (high - low) * (tissue in DRY)
        down = modality in ("t1", "t1ce") or (modality == "flair" and tissue != "oedema")
        assert wet[tissue] - dry[tissue] == pytest.approx(-moved if down else moved, abs=1e-5)
        assert low - 1e-6 <= min(dry[tissue], wet[tissue])
        assert max(dry[tissue], wet[tissue]) <= high + 1e-6


def test_free_contrasts_know_nothing_of_water():
    one, other = (draw_contrast(np.random.default_rng(1), "t2", water, free=True) for water in (DRY, WET))
    assert one == other


def test_watery_tumour_is_darker_than_its_oedema_in_flair_and_brighter_in_t2():
    """The T2-FLAIR mismatch, in its share of the cases."""
    waters = [draw_water(np.random.default_rng(seed)) for seed in range(400)]
    assert np.mean([water["solid"] >= 0.7 for water in waters]) == pytest.approx(MISMATCH_SHARE, abs=0.06)
    watery = [water for water in waters if water["solid"] > 0.85]
    flair, t2 = ([draw_contrast(np.random.default_rng(k), m, w) for k, w in enumerate(watery)] for m in ("flair", "t2"))
    assert np.mean([level["solid"] < 0.85 * level["oedema"] for level in flair]) > 0.8
    assert np.mean([level["solid"] > level["oedema"] for level in t2]) > 0.8


def test_cysts_are_as_dark_in_t1_as_fluid_may_be_and_dark_in_flair():
    levels = {name: draw_contrast(np.random.default_rng(3), name, WET) for name in BRAIN_MODALITIES}
    assert levels["t1"]["necrosis"] < 0.55
    assert levels["flair"]["necrosis"] < RANGES["flair"]["white"][1]
    assert levels["t2"]["necrosis"] > RANGES["t2"]["grey"][1]
