"""Documents of the repository and of every bundle: what they print exists, and a reader gets through them."""

import ast
import json
import re
from pathlib import Path

import pytest

from ci.lint.config_files import bundles_below

SECTIONS = ["Overview", "Data", "Input", "Output", "Run", "Results", "Limits", "References", "Licence"]
BUNDLES = bundles_below(Path())
OWN = [Path("README.md"), Path("bundles/README.md"), Path("ci/README.md")]
OF_BUNDLES = sorted(path for bundle in BUNDLES for path in bundle.glob("docs/*.md"))
DOCUMENTS = [*OWN, *OF_BUNDLES]
OF_MONAI = {"bundle_root", "config_file", "input_shape", "use_trace"}
OF_TORCHRUN = {"nproc_per_node", "nnodes", "rdzv_backend", "rdzv_endpoint"}
OF_MONAI_LABEL = {"conf"}
OF_MONAI_DEPLOY = {"input", "model", "models", "platform", "tag"}


def name_of(path):
    return path.as_posix()


def blocks(text):
    """Fenced blocks of a Markdown text."""
    return re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def settings(bundles):
    """Top-level settings in all configurations of bundles."""
    files = [json.loads(path.read_text()) for bundle in bundles for path in bundle.glob("configs/*.json")]
    return {key for file in files for key in file}


def arguments(*folders):
    """Names of the arguments of all functions in these folders."""
    trees = [ast.parse(path.read_text()) for folder in folders for path in Path(folder).rglob("*.py")]
    return {node.arg for tree in trees for node in ast.walk(tree) if isinstance(node, ast.arg)}


@pytest.fixture(scope="module")
def options_of_commands():
    return arguments("ci", "shared/phantoms") | OF_MONAI | OF_MONAI_LABEL | OF_MONAI_DEPLOY | OF_TORCHRUN


def test_documents_were_found():
    assert {path.name for path in OF_BUNDLES} == {"README.md", "paper.md", "results.md"}
    assert all(path.is_file() for path in OWN)


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(path):
    found = [link for link in re.findall(r"\]\(([^)\s]+)", path.read_text()) if not re.match(r"\w+:", link)]
    for link in found:
        file, _, heading = link.partition("#")
        target = (path.parent / file) if file else path
        assert target.exists(), link
        if heading:
            titles = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, link


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_options_and_configurations_exist_and_values_are_written_as_in_python(path, options_of_commands):
    """`--option false` is refused: it would hand on a text."""
    text = path.read_text()
    bundles = BUNDLES if path in OWN else [path.parents[1]]
    known = settings(bundles) | options_of_commands
    options = re.findall(r"(?<![\w-])--(\w+)", text)
    assert [option for option in options if option not in known | {"all", "help"}] == []
    named = set(re.findall(r"\$[BC](?:/configs)?/(\w+)\.json", text))
    assert [name for name in named if not any((bundle / f"configs/{name}.json").is_file() for bundle in bundles)] == []
    assert not re.findall(r"--\w+[ =](?:true|false|null)\b", text)


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_a_line_of_code_can_be_read_without_scrolling(path):
    assert [line for block in blocks(path.read_text()) for line in block.splitlines() if len(line) > 120] == []


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_the_readme_of_a_bundle_has_the_sections_of_the_zoo_at_most_900_words_and_one_command_per_block(bundle):
    text = (bundle / "docs" / "README.md").read_text()
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    assert len(text.split()) <= 900
    commands = [re.findall(r"^(?:python|torchrun|bash) ", block, re.MULTILINE) for block in blocks(text)]
    assert max(len(found) for found in commands) == 1
    assert len(re.findall(r"^!\[", text, re.MULTILINE)) <= 1


def test_the_readme_of_the_project_is_short_and_has_the_two_commands():
    text = Path("README.md").read_text()
    assert len(text.splitlines()) <= 110
    assert "    bash ci/quickstart.sh\n" in text
    assert "    bash ci/test.sh\n" in text
    assert all(f"](bundles/{bundle.name}/docs/README.md)" in text for bundle in BUNDLES)
