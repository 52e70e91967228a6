"""Which tests run in one process: those that ask for one painted bundle, and those of any other file."""

import re
from pathlib import Path

__all__ = ["painted_id", "process_of"]


def painted_id(bundle: Path) -> str:
    """Return what the id of a test holds if the test asks for `painted`, or for what is trained on it."""
    return f"painted={bundle.name}"


def process_of(nodeid: str) -> str:
    """Return the same text for all tests that run in one process."""
    painted = re.search(r"\bpainted=\w+", nodeid)
    return painted[0] if painted else nodeid.split("::")[0]
