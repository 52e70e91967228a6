import pytest
import torch

from ci.timing import fusion_forms
from ci.timing.benchmark import BENCHMARKS
from ci.timing.network_costs import parameters_from_published

OF_PARAMETERS = [row for row in BENCHMARKS if getattr(row[1], "func", None) is parameters_from_published]


@pytest.mark.parametrize(("name", "measure", "bound"), OF_PARAMETERS)
def test_parameters_are_those_of_the_published_networks(name, measure, bound):
    ours, published = measure()
    assert ours <= bound * published


def test_rows_of_parameters_were_found():
    assert len(OF_PARAMETERS) >= 4


def test_the_published_form_of_the_fusion_gives_the_same():
    (ours, inputs), (published, _) = (fusion_forms.region_aware_fusion(form, size=8) for form in (False, True))
    with torch.no_grad():
        torch.testing.assert_close(ours(*inputs), published(*inputs), atol=1e-5, rtol=0)


def test_the_process_that_measures_a_step_finds_its_module():
    imported = [line for line in fusion_forms.FUSION_STEP.splitlines() if line.startswith("from ci")]
    assert imported == [f"from {fusion_forms.__name__} import {fusion_forms.region_aware_fusion.__name__}"]
