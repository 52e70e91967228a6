"""Merged tables of glands and breasts, whose scores are pooled over cases or parts."""

import csv

import pytest
from evaluation_tables import BREASTS, GLANDS, cells, gland_evaluation

from ci.experiments.tables import main
from shared.errors import InputError


def test_glands_by_their_pooled_scores(gland_runs, tmp_path, capsys):
    main(f"learned={gland_runs[0]},{gland_runs[1]}", f"equal={gland_runs[2]}", out=str(tmp_path / "table"))
    rows = cells(capsys.readouterr().out)
    assert rows[0] == [
        *["method", "runs", "class accuracy", "pixel accuracy", "object F1", "object Dice", "object Hausdorff (um)"],
    ]
    assert rows[2] == [
        *["learned", "2", "95.00 (90.00 to 100.00)", "80.00 (80.00 to 80.00)", "86.00 (85.00 to 87.00)"],
        *["82.00 (80.00 to 84.00)", "41.50 (40.50 to 42.50)"],
    ]
    assert rows[3] == ["equal", "1", "80.00", "70.00", "80.00", "81.00 ≈", "41.00 ≈"]
    assert rows[5][0].startswith("Cases: 3, pooled. Accuracies, F1 and Dice x 100, mean over runs")
    assert (tmp_path / "table.png").read_bytes().startswith(b"\x89PNG")
    numbers = list(csv.DictReader((tmp_path / "table.csv").open()))
    assert [numbers[4][name] for name in ("score", "mean", "smallest", "largest")] == [
        *["object Hausdorff (um)", "41.500000", "40.500000", "42.500000"],
    ]


def test_glands_of_one_part(gland_runs, tmp_path, capsys):
    main(f"equal={gland_runs[2]}", out=str(tmp_path / "table"), rows="pooled testA")
    text = capsys.readouterr().out
    assert cells(text)[2] == ["equal", "1", "20.00", "30.00", "40.00", "40.00", "60.00"]
    assert "Cases: 2, pooled testA. " in text
    main(f"equal={gland_runs[2]}", out=str(tmp_path / "table"), rows="mean")
    text = capsys.readouterr().out
    assert cells(text)[2] == ["equal", "1", "40.00", "50.00", "70.00", "60.00", "5.00"]
    assert "Cases: 3, mean. " in text


def test_part_can_be_compared_with_an_evaluation_of_that_part_alone(gland_runs, tmp_path, capsys):
    alone = tmp_path / "alone.csv"
    alone.write_text(
        f"{GLANDS}\na1,testA,1,1,1,1,1,1\na2,testA,1,1,1,1,1,1\npooled testA,,1,1,1,1,1,\npooled,,1,1,1,1,1,\n"
    )
    main(f"both={gland_runs[2]}", f"alone={alone}", out=str(tmp_path / "table"), rows="pooled testA")
    assert "Cases: 2" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"other cases than .* \(b1\); evaluate on one test set"):
        main(f"both={gland_runs[2]}", f"alone={alone}", out=str(tmp_path / "table"))


def test_unknown_grades_have_no_accuracy(tmp_path, capsys):
    path = gland_evaluation(tmp_path / "evaluation.csv", [0.8, 0.8, 40, 0.7, ""], {}, grade="")
    main(f"ours={path}", out=str(tmp_path / "table"))
    assert cells(capsys.readouterr().out)[2] == ["ours", "1", "nan", "70.00", "80.00", "80.00", "40.00"]


def test_mask_and_class_in_the_order_of_the_paper(breast_runs, tmp_path, capsys):
    main(f"full={breast_runs[0]},{breast_runs[1]}", f"base={breast_runs[2]}", out=str(tmp_path / "table"))
    rows = cells(capsys.readouterr().out)
    assert rows[0] == [
        *["method", "runs", "lesion IoU", "lesion Dice", "sensitivity", "precision"],
        *["class accuracy", "class F1", "class AUC", "class precision"],
    ]
    assert rows[2] == [
        *["full", "2", "72.00 (70.00 to 74.00)", "82.00 (80.00 to 84.00)", "76.00 (75.00 to 77.00)"],
        *["87.00 (85.00 to 89.00)", "50.00 (50.00 to 50.00)", "85.00 (82.00 to 88.00)", "96.00 (95.00 to 97.00)"],
        "85.00 (84.00 to 86.00)",
    ]
    assert rows[3] == ["base", "1", "60.00", "81.00 ≈", "70.00", "80.00", "50.00 ≈", "50.00", "70.00", "60.00"]
    assert rows[5][0].startswith("Cases: 2. Mask: means over images with a lesion; class: over all images, F1, AUC")
    assert "No case has class F1, class AUC, class precision of its own" in rows[5][0]
    assert (tmp_path / "table.png").read_bytes().startswith(b"\x89PNG")


def test_mask_pooled_over_pixels(breast_runs, tmp_path, capsys):
    main(f"base={breast_runs[2]}", out=str(tmp_path / "table"), rows="pooled")
    rows = cells(capsys.readouterr().out)
    assert rows[2] == ["base", "1", "30.00", "40.00", "20.00", "10.00", "50.00", "50.00", "70.00", "60.00"]
    assert rows[4][0].startswith("Cases: 2. Mask: over the pixels of images with a lesion; class: over all images, F1")
    main(f"full={breast_runs[0]}", f"base={breast_runs[2]}", out=str(tmp_path / "table"), rows="pooled")
    assert "case by case" not in capsys.readouterr().out


def test_masks_are_compared_image_by_image(tmp_path, capsys):
    """Dice of three lesions: 0.1 more in each; the classes are right once more and once less."""
    paths = {}
    for name, dice, right in [("full", [0.5, 0.6, 0.7], [1, 0, 1]), ("base", [0.6, 0.7, 0.8], [0, 1, 1])]:
        paths[name] = tmp_path / f"{name}.csv"
        lesions = [
            f"b{i},benign,{d},{d},{d},{d},,{c},0,1,,,,," for i, (d, c) in enumerate(zip(dice, right, strict=True))
        ]
        summaries = [
            f"mean,,{dice[1]},{dice[1]},{dice[1]},{dice[1]},1,0.75,0,1,,,,,",
            "pooled,,9,9,9,9,1,0.75,,,0.5,0.6,0.7,0,0",
        ]
        paths[name].write_text("\n".join([BREASTS, "n,normal,,,,,1,1,1,0,,,,,", *lesions, *summaries, ""]))
    main(*(f"{name}={path}" for name, path in paths.items()), out=str(tmp_path / "table"))
    text = capsys.readouterr().out
    rows = cells(text)
    assert rows[3][:4] == ["base", "1", "70.00", "70.00"]
    assert rows[3][6:8] == ["75.00 ≈", "50.00"]
    assert ["base: lesion Dice", "3", "+10.00", "+10.00 to +10.00", "0.25"] in rows
    assert next(row for row in rows if row[0] == "base: class accuracy")[1:3] == ["4", "+0.00"]
    assert "of its own" not in text  # one run each has no range
    assert not any(row[0] == "base: class F1" for row in rows)


def test_rejects_rows_that_are_not_there(runs, gland_runs, breast_runs, tmp_path):
    for arguments, rows, message in [
        (
            [f"a={gland_runs[0]}"],
            "pooled testC",
            "has no row 'pooled testC'; choose one of mean, standard deviation, pool",
        ),
        ([f"a={gland_runs[0]}"], "a1", "has no row 'a1'"),
        ([f"a={breast_runs[0]}"], "pooled test", "has no row 'pooled test'; choose one of mean, standard deviation, p"),
        ([f"a={gland_runs[0]}+{gland_runs[1]}"], None, "case a1 is in another fold too"),
        ([f"a={runs[0]}"], "pooled", "has no pooled rows to choose from; leave out --rows"),
        ([f"a={runs[0]}", f"b={gland_runs[0]}"], None, "evaluation.csv: other cases than"),
    ]:
        with pytest.raises(InputError, match=message):
            main(*arguments, out=str(tmp_path / "table"), rows=rows)
    other = tmp_path / "other.csv"
    other.write_text(f"{GLANDS}\nz,testA,1,1,1,1,1,1\npooled,,1,1,1,1,1,\n")
    with pytest.raises(InputError, match="pooled scores of folds cannot be joined"):
        main(f"a={gland_runs[0]}+{other}", out=str(tmp_path / "table"))
