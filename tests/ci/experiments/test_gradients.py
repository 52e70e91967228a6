import pytest

from ci.experiments import gradients
from shared.errors import InputError


def write(path, variances, cosines):
    lines = [f"{epoch},5,{v},1,{c},1,1" for epoch, (v, c) in enumerate(zip(variances, cosines), start=1)]
    head = "epoch,steps,relative_variance,mean_gradient_norm,cosine,base_gradient_norm,fuzzy_gradient_norm"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([head, *lines, ""]))
    return str(path)


def test_medians_of_thirds_and_ranges_by_hand(tmp_path, capsys):
    write(tmp_path / "a0" / "gradients.csv", [1, 2, 9, 4, 4, 4, 7, 7, 7], [0.9] * 3 + [0.1] * 3 + [-0.5] * 3)
    write(tmp_path / "a1" / "gradients.csv", [4] * 9, [0.5, "", 0.5, 0.3, 0.3, 0.3, -0.1, -0.1, -0.1])
    other = write(tmp_path / "b.csv", [0.5] * 9, [""] * 9)
    gradients.main(f"ours={tmp_path}/a*/gradients.csv", f"plain={other}", out=str(tmp_path / "merged"))
    text = capsys.readouterr().out
    assert (tmp_path / "merged.md").read_text() == text
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    assert rows[2][1:] == ["ours", "2", "3 (2 to 4)", "4 (4 to 4)", "5.5 (4 to 7)"]
    assert rows[3][1:] == ["plain", "1", "0.5", "0.5", "0.5"]
    assert rows[4][1:] == ["ours", "2", "0.7 (0.5 to 0.9)", "0.2 (0.1 to 0.3)", "-0.3 (-0.5 to -0.1)"]
    assert rows[5][1:] == ["plain", "1", "nan", "nan", "nan"]
    assert (tmp_path / "merged.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to merge"),
        (["a.csv"], "a.csv: write method="),
        (["a=nowhere.csv"], "nowhere.csv: is not a table of gradients"),
        (["a={short}"], "has 2 epochs; there must be three or more"),
    ],
)
def test_what_cannot_be_merged_is_named(tmp_path, arguments, message):
    short = write(tmp_path / "short.csv", [1, 2], [1, 1])
    with pytest.raises(InputError, match=message):
        gradients.main(*[argument.format(short=short) for argument in arguments], out=str(tmp_path / "merged"))
