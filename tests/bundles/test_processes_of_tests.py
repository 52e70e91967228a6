"""A bundle is painted and trained once, since its tests run in one process."""

from processes_of_tests import process_of
from tiny_bundle import tried_on

VNET = "painted=brats_mri_segmentation_pareto_vnet"


def test_a_test_that_asks_for_no_painted_bundle_runs_with_its_file(request):
    assert process_of(request.node.nodeid) == "tests/bundles/test_processes_of_tests.py"
    assert process_of("tests/a/test_b.py::test_painted[vnet]") == "tests/a/test_b.py"


@tried_on("vnet")
def test_a_test_that_is_tried_on_a_bundle_runs_with_the_bundle(painted, request):
    assert process_of(request.node.nodeid) == VNET


def test_a_test_of_every_bundle_runs_with_each(painted, request):
    assert process_of(request.node.nodeid) == f"painted={painted.root.name}"
