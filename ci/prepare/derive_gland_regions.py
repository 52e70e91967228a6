"""Derive lumen and epithelium from gland outlines, with figures to check them.

Writes `train_1_regions.png` per image (0 stroma, 1 epithelium, 2 lumen, with a palette so that it can be looked at),
for the bundle's `label_dir`; `regions.csv` with each region's share; and `pictures/` to judge them by.
"""

from __future__ import annotations

import csv
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from shared.atomic_write import atomic_write
from shared.data import GRADES, find_gland_cases
from shared.errors import InputError
from shared.transforms import GlandRegionsd, LoadPictured

REGIONS = ("stroma", "epithelium", "lumen")
COLOURS = np.array(((240, 228, 66), (0, 114, 178), (255, 255, 255)), np.uint8)  # of the regions in the maps
OUTLINES = {"gland": (0, 90, 30), "lumen": (0, 60, 255)}
TILE = (390, 290)  # width and height of an image on a sheet, caption included
CAPTION = 14
COLUMNS = 4


def main(
    *, dataset_dir: str, out: str, pixel_size_um: float = 0.62, method: str = "bright", per_sheet: int = 16
) -> None:
    """Derive and write the region maps of all outlined images in a folder.

    Args:
        dataset_dir: folder in Warwick-QU layout.
        out: folder for maps and figures; maps in it are replaced.
        pixel_size_um: edge of a pixel in micrometres; 0.62 as published, 1.24 at half resolution.
        method: bright (lumen is what is bright inside) or ring (lumen is the inside).
        per_sheet: images on a sheet.
    """
    folder = Path(str(out))
    cases = [case for case in find_gland_cases(str(dataset_dir)) if "instances" in case]
    if not cases or per_sheet < 1:
        raise InputError(
            f"{dataset_dir}, per_sheet {per_sheet}: found {len(cases)} outlined images; give a folder with annotations "
            "(as train_1_anno.bmp), and at least 1 per sheet."
        )
    load, derive = LoadPictured("image"), GlandRegionsd(pixel_size_um, method)
    rows, tiles, seconds = [], [], 0.0
    for case in sorted(cases, key=_number_of):
        loaded = load(case)
        begun = time.perf_counter()
        regions = derive(loaded)["label"][0].numpy()
        seconds += time.perf_counter() - begun
        outlined = _outlined(loaded["image"].numpy(), regions, loaded["instances"][0].numpy())
        rows.append(_row(case, regions))
        tiles.append(_tile(outlined, rows[-1]))
        _save(_with_palette(regions), folder / f"{case['case']}_regions.png")
        _save(outlined, folder / "pictures" / f"{case['case']}.png")
    for number, start in enumerate(range(0, len(tiles), per_sheet), start=1):
        _save(_sheet(tiles[start : start + per_sheet]), folder / "pictures" / f"sheet_{number:02d}.png")
    _write_table(folder / "regions.csv", rows)
    _report(rows, seconds)
    print(f"{len(rows)} maps are in {folder}; check them in pictures/sheet_*.png (lumen outlined in blue)")


def _number_of(case: Mapping[str, Any]) -> list[str]:
    return [part.zfill(8) if part.isdigit() else part for part in re.split(r"(\d+)", case["case"])]


def _row(case: Mapping[str, Any], regions: np.ndarray) -> dict[str, Any]:
    shares = np.bincount(regions.ravel(), minlength=len(REGIONS)) / regions.size
    beside_stroma = ndimage.binary_dilation(regions == 0, np.ones((3, 3)))
    grade = GRADES[case["grade"]] if "grade" in case else "unknown"
    named = dict(zip(REGIONS, shares.round(4).tolist(), strict=True))
    return {"case": case["case"], "grade": grade, **named, "contacts": int((beside_stroma & (regions == 2)).sum())}


def _outlined(image: np.ndarray, regions: np.ndarray, instances: np.ndarray) -> Image.Image:
    """Draw the borders of glands and lumens into the picture."""
    drawn = (255 * np.moveaxis(image, 0, -1)).round().astype(np.uint8)
    for name, numbers in (("gland", instances), ("lumen", (regions == 2).astype(int))):
        drawn[(ndimage.minimum_filter(numbers, 3) != numbers) & (numbers > 0)] = OUTLINES[name]
    return Image.fromarray(drawn)


def _with_palette(regions: np.ndarray) -> Image.Image:
    picture = Image.fromarray(regions.astype(np.uint8), mode="P")
    picture.putpalette(COLOURS.ravel().tolist())
    return picture


def _tile(outlined: Image.Image, row: Mapping[str, Any]) -> Image.Image:
    tile = Image.new("RGB", TILE, "white")
    shown = outlined.copy()
    shown.thumbnail((TILE[0] - 3, TILE[1] - CAPTION - 3))
    tile.paste(shown, (0, CAPTION))
    shares = ", ".join(f"{name} {row[name]:.2f}" for name in REGIONS)
    ImageDraw.Draw(tile).text((2, 1), f"{row['case']}, {row['grade']}: {shares}", fill="black")
    return tile


def _sheet(tiles: Sequence[Image.Image]) -> Image.Image:
    rows = -(-len(tiles) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * TILE[0], rows * TILE[1]), "white")
    for place, tile in enumerate(tiles):
        sheet.paste(tile, (place % COLUMNS * TILE[0], place // COLUMNS * TILE[1]))
    return sheet


def _save(picture: Image.Image, path: Path) -> None:
    with atomic_write(path) as temporary:
        picture.save(temporary)


def _write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _report(rows: Sequence[Mapping[str, Any]], seconds: float) -> None:
    for grade in sorted({row["grade"] for row in rows}):
        chosen = [row for row in rows if row["grade"] == grade]
        means = ", ".join(f"{name} {np.mean([row[name] for row in chosen]):.3f}" for name in REGIONS)
        without = sum(row["lumen"] == 0 for row in chosen)
        print(f"{grade}: {len(chosen)} images, {means}; {without} without lumen")
    contacts = sum(row["contacts"] for row in rows)
    print(f"{contacts} lumen pixels beside stroma; {seconds / len(rows):.3f} s per image")
