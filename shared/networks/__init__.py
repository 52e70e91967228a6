"""Networks and the blocks they are built from."""

from .distribute import distribute
from .gland_unet import GlandUNet

__all__ = ["GlandUNet", "distribute"]
