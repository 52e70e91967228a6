"""MONAI's image loader, without its warnings about a decoder that is not installed."""

from __future__ import annotations

from monai.transforms import LoadImage

from ..quiet import quiet

__all__ = ["image_loader"]

PLUGIN = "monai.data.nvimgcodec_pydicom_plugin"


def image_loader() -> LoadImage:
    """Return `LoadImage` with the channel first.

    It makes every reader that could be used. If pydicom is installed, one of them is for nvImageCodec, and warns twice
    that this package is not installed.
    """
    with quiet(PLUGIN, message="NvImgCodecPydicomReader"):
        return LoadImage(ensure_channel_first=True)
