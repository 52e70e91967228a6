"""What the numbers in a published brain-tumour label map mean."""

__all__ = ["LABEL_CONVENTIONS"]

# value in the file -> class here: 0 background, 1 necrosis or non-enhancing tumour, 2 oedema, 3 enhancing tumour
LABEL_CONVENTIONS: dict[str, dict[int, int]] = {
    "brats2013": {0: 0, 1: 1, 2: 2, 3: 1, 4: 3},  # 1 necrosis, 3 non-enhancing: one class from 2017 on
    "brats2021": {0: 0, 1: 1, 2: 2, 4: 3},  # 2017 to 2021: 3 is left out
    "brats2023": {0: 0, 1: 1, 2: 2, 3: 3},
    "msd": {0: 0, 1: 2, 2: 1, 3: 3},  # Medical Segmentation Decathlon, Task01
}
