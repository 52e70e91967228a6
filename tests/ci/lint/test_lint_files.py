"""A file that is missing, no JSON, or read otherwise than it looks; and logging.conf."""

import pytest
from clean_bundle import LOGGING


@pytest.mark.filterwarnings("ignore")  # MONAI's own, on the same file
@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"bundle_root": ".", "a": {"b": 1, "b": 2}}', "b: duplicate-key: is twice"),
        ('{"bundle_root": "."', ": json: Expecting ',' delimiter"),
    ],
)
def test_a_file_that_python_would_read_wrongly_or_not(bundle, text, fault):
    bundle.configs["train"] = text
    assert any(line.startswith(f"train.json: {fault}") for line in bundle.lint())


@pytest.mark.parametrize("name", ["train", "inference"])
def test_both_complete_configs_must_be_there(bundle, name):
    del bundle.configs[name], bundle.configs["evaluate"]
    assert bundle.lint() == [f"{name}.json: : merge: is missing"]


@pytest.mark.parametrize(
    ("line", "fault"),
    [("class=monai.Handler", "class='monai.Handler'"), ("args=(open('x'),)", "args=\"(open('x'),)\"")],
)
def test_logging_may_use_the_standard_library_only(bundle, line, fault):
    bundle.logging = LOGGING.replace("class=StreamHandler" if "class" in line else "args=(sys.stdout,)", line)
    faults = bundle.lint()
    assert len(faults) == 1
    assert faults[0].startswith("logging.conf: : logging: ")
    assert fault in faults[0]
    assert "would execute" not in faults[0], "what MONAI goes on to say is about a hazard, not about the fault"


def test_all_faults_of_all_files_come_at_once(bundle):
    bundle.change("train", "train::inferer::_target_", "Inferrer")
    bundle.change("train", "run::0", "$@train::trainr.run()")
    bundle.change("inference", "output_dir", "eval")
    bundle.logging = "no section"
    assert [fault.split(": ")[0:3:2] for fault in bundle.lint()] == [
        ["inference.json", "output-dir"],
        ["train.json", "target"],
        ["train.json", "reference"],
        ["logging.conf", "logging"],
    ]
