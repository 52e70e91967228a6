"""How to predict."""

from .whole_or_window import WholeOrWindowInferer

__all__ = ["WholeOrWindowInferer"]
