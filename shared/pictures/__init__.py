"""2D image files (PNG, BMP, TIFF, JPEG) as a viewer shows them, and the label numbers and masks in them."""

from .label_numbers import label_numbers, number_components
from .mask_brightness import bright_part
from .picture_file import PictureFile, open_picture, stores_many_bits
from .white_level import highest_value, picture_colours, white_for

__all__ = [
    "PictureFile",
    "bright_part",
    "highest_value",
    "label_numbers",
    "number_components",
    "open_picture",
    "picture_colours",
    "stores_many_bits",
    "white_for",
]
