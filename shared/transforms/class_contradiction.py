"""Say whether the mask and the class of one image contradict each other."""

from __future__ import annotations

__all__ = ["class_contradiction"]


def class_contradiction(class_name: str, ground_class: str, segmented: bool) -> str | None:
    """Return a sentence if class and mask exclude each other, else None.

    Args:
        class_name: class that was found.
        ground_class: class without a lesion; all others have one.
        segmented: whether a lesion was segmented.
    """
    if class_name == ground_class and segmented:
        return f"class {class_name}, but a lesion is segmented"
    if class_name != ground_class and not segmented:
        return f"class {class_name}, but nothing is segmented"
    return None
