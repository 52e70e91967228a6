"""`python -m ci lint`: which bundles it reads, what it prints, how it ends."""

import pytest

from ci.lint.config_files import bundles_below
from ci.lint.lint_configs import lint, main
from shared.errors import InputError


@pytest.mark.parametrize("changes", [{}, {"output_dir": "eval"}, {"output_dir": "eval", "num_workers": 2}])
def test_the_command_counts_the_faults_and_ends_with_status_1_if_there_are_any(bundle, capsys, changes):
    for name, value in changes.items():
        bundle.change("inference", name, value)
    bundle.lint()
    with pytest.raises(SystemExit) as ended:
        main(str(bundle.folder))
    assert ended.value.code == bool(changes)
    *named, last = capsys.readouterr().out.splitlines()
    assert len(named) == len(changes)
    assert last == f"1 bundles, {len(changes)} faults"


def test_without_a_name_every_bundle_of_the_repository_is_read(bundle, monkeypatch, capsys):
    monkeypatch.setattr("ci.lint.lint_configs.ROOT", bundle.folder.parent)
    monkeypatch.chdir(bundle.folder.parent)
    with pytest.raises(InputError, match="no bundle here"):
        main()
    bundle.change("train", "device", "cuda:0")
    bundle.folder = bundle.folder.parent / "bundles" / "one_segmentation"
    bundle.lint()
    with pytest.raises(SystemExit):
        main()
    faults = capsys.readouterr().out.splitlines()
    assert faults[0].startswith("bundles/one_segmentation/configs/train.json: device: device: ")
    assert faults[1] == "1 bundles, 1 faults"


def test_bundles_come_in_the_order_of_their_names(tmp_path):
    names = [f"{letter}_segmentation" for letter in "hbkaejcdgfi"]
    for name in names:
        (tmp_path / "bundles" / name / "configs").mkdir(parents=True)
        (tmp_path / "bundles" / name / "configs" / "metadata.json").touch()
    assert [bundle.name for bundle in bundles_below(tmp_path)] == sorted(names)


def test_a_folder_without_configs_is_a_user_s_error(tmp_path):
    with pytest.raises(InputError, match="not a bundle"):
        lint(tmp_path)
