"""Prepare a packed bundle for the Hugging Face Hub, as MONAI's own function pushes it.

    python -m ci hub-folder --zip dist/<name>_v<version>.zip --repo USER/NAME --out hub

The bundle is unpacked to <out>/<name>. Its README becomes the model card, one folder higher, so that its links and
figures get the addresses that they will have on the Hub. Then, with a token (`pip install huggingface_hub`):

    from monai.bundle import push_to_hf_hub
    push_to_hf_hub("USER/NAME", "<name>", "<out>", token="...", version="<version>")

which writes the card's front matter (tags, library, licence), uploads the folder and tags the version.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from pathlib import Path

from ci.release.check_zoo import REMARKS, check_zip
from shared.atomic_write import atomic_write
from shared.errors import InputError

__all__ = ["hub_folder"]

HUB = "https://huggingface.co"


def hub_folder(path: Path, repo: str, out: Path) -> tuple[Path, str]:
    """Unpack a bundle for the Hub; return its folder and version.

    Args:
        path: a packed bundle.
        repo: user or organisation, and name, on the Hub.
        out: folder that gets the bundle's.

    Raises:
        InputError: no such zip; a name that the Hub does not take; a rule of the zoo does not hold; the folder is there
            already.
    """
    if not path.is_file():
        raise InputError(f"--zip {path}: no such file; make it with `python -m ci pack`.")
    if not re.fullmatch(r"[\w-]+/[\w.-]+", repo):
        raise InputError(f"--repo {repo}: expected USER/NAME.")
    faults = [f"{rule}: {what}" for rule, found in check_zip(path).items() for what in found if what not in REMARKS]
    if faults:
        raise InputError(f"{path}: {faults[0]} ({len(faults)} faults; `python -m ci check-zoo` lists them).")
    with zipfile.ZipFile(path) as archive:
        folder = out / archive.namelist()[0].split("/")[0]
        if folder.exists():
            raise InputError(f"{folder}: is there already; delete it or choose another --out.")
        archive.extractall(out)
    manifest = folder / "docs" / "MANIFEST.json"
    listed = json.loads(manifest.read_text(encoding="utf-8"))
    readme = folder / "docs" / "README.md"
    card = with_addresses(readme.read_text(encoding="utf-8"), f"{HUB}/{repo}", listed["version"])
    with atomic_write(readme) as temporary:
        temporary.write_text(card, encoding="utf-8")
    listed["files"]["docs/README.md"] = hashlib.sha256(card.encode()).hexdigest()
    with atomic_write(manifest) as temporary:
        temporary.write_text(json.dumps(listed, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return folder, listed["version"]


def with_addresses(text: str, address: str, version: str) -> str:
    """Replace the relative links of a document in docs/ by addresses on the Hub: figures as files, others as pages."""

    def changed(link: re.Match) -> str:
        kind, target = "resolve" if link[1] else "blob", link[3]
        place = target.removeprefix("../") if target.startswith("../") else f"docs/{target}"
        return f"{link[1]}[{link[2]}]({address}/{kind}/{version}/{place})"

    return re.sub(r"(!?)\[([^]]*)\]\((?!\w+://|#|mailto:)([^)]+)\)", changed, text)


def main(zip: str, repo: str, out: str = "hub") -> None:
    """Unpack a bundle for the Hub, and print what pushes it.

    Args:
        zip: a packed bundle.
        repo: user or organisation, and name, on the Hub.
        out: folder that gets the bundle's.
    """
    folder, version = hub_folder(Path(zip), repo, Path(out))
    print(f"{folder}: push it with")
    print(f'push_to_hf_hub("{repo}", "{folder.name}", "{out}", token="...", version="{version}")')
