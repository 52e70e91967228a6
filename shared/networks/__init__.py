"""Networks and the blocks they are built from."""

from .distribute import distribute

__all__ = ["distribute"]
