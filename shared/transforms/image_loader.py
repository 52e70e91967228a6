"""MONAI's loader, without its notes on a decoder that nobody asked for."""

from __future__ import annotations

import logging
import warnings

from monai.transforms import LoadImage

__all__ = ["image_loader"]

PLUGIN = "monai.data.nvimgcodec_pydicom_plugin"


def image_loader() -> LoadImage:
    """Return `LoadImage` with the channel first.

    It makes every reader that could be used. Where pydicom is installed that is one for nvImageCodec, too, which warns
    twice that this package is not there.
    """
    logger = logging.getLogger(PLUGIN)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="NvImgCodecPydicomReader")
            return LoadImage(ensure_channel_first=True)
    finally:
        logger.setLevel(level)
