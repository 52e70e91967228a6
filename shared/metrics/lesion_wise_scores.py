"""What the lesions of a case score, and their means by both definitions of the BraTS challenges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["LesionScores", "MatchedLesionScores"]


@dataclass(frozen=True)
class LesionScores:
    """What lesions and predicted components score, one number each; false positives and missed lesions included.

    Attributes:
        dice: Dice of each; first of the lesions that were met.
        hausdorff_95_mm: HD95 of each.
        surface_dice: normalised surface Dice of each; empty where the definition has none.
        missed: number of lesions that nothing met.
        false_positives: number of predicted components that met nothing.
    """

    dice: tuple[float, ...]
    hausdorff_95_mm: tuple[float, ...]
    surface_dice: tuple[float, ...]
    missed: int
    false_positives: int

    @property
    def mean_dice(self) -> float:
        """Mean over lesions and false positives; 1 where there is neither."""
        return float(np.mean(self.dice)) if self.dice else 1.0

    @property
    def mean_hausdorff_95_mm(self) -> float:
        """Mean over lesions and false positives; 0 where there is neither."""
        return float(np.mean(self.hausdorff_95_mm)) if self.hausdorff_95_mm else 0.0

    @property
    def mean_surface_dice(self) -> float:
        """Mean over lesions and false positives; 1 where there is neither."""
        return float(np.mean(self.surface_dice)) if self.surface_dice else 1.0

    @property
    def found(self) -> int:
        """Number of lesions that something met; their numbers are the first ones."""
        return len(self.dice) - self.missed - self.false_positives

    def f1(self, least_dice: float = 0.0) -> float:
        """F1 of detection; 1 where there is nothing to find and nothing found.

        Args:
            least_dice: a lesion that was met with a smaller Dice counts as missed; what met it is no false positive.
        """
        weak = sum(dice < least_dice for dice in self.dice[: self.found])
        found = self.found - weak
        return 2 * found / (2 * found + weak + self.missed + self.false_positives) if self.dice else 1.0


class MatchedLesionScores(LesionScores):
    """`LesionScores` whose means are those of the lesions that were found, as since 2025.

    Missed lesions and false positives are in F1 alone. Where there are lesions or false positives, but no match, means
    are 0, and that of HD95 is what each of them has.
    """

    @property
    def mean_dice(self) -> float:
        """Mean over matches; 1 where there is nothing to find and nothing found."""
        return float(np.mean(self.dice[: self.found or None])) if self.dice else 1.0

    @property
    def mean_hausdorff_95_mm(self) -> float:
        """Mean over matches; 0 where there is nothing to find and nothing found."""
        return float(np.mean(self.hausdorff_95_mm[: self.found or None])) if self.dice else 0.0

    @property
    def mean_surface_dice(self) -> float:
        """Mean over matches; 1 where there is nothing to find and nothing found."""
        return float(np.mean(self.surface_dice[: self.found or None])) if self.dice else 1.0
