import pytest

from ci.documents.command_blocks import blocks_of, settings_of

MARKDOWN = """# Title

Text.

    python -m a \\
      --b 1

- a list
    that goes on

```bash
B=x; C=$B/configs
SMALL=(--a "[1, 2]" --b 3)
run $B
```

```text
--layout x

    --indented
```
```python
import os
```
"""


def test_fenced_and_indented_blocks_are_found_with_line_and_language():
    found = [(block.line, block.language, block.text) for block in blocks_of(MARKDOWN)]
    assert found == [
        (5, "bash", "python -m a \\\n  --b 1"),
        (12, "bash", 'B=x; C=$B/configs\nSMALL=(--a "[1, 2]" --b 3)\nrun $B'),
        (18, "text", "--layout x\n\n    --indented"),
        (23, "python", "import os"),
    ]


def test_a_command_is_shown_in_one_line_without_what_it_sets():
    shown = [block.shown for block in blocks_of(MARKDOWN)]
    assert shown[:2] == ["python -m a --b 1", "run $B"]
    (only_settings,) = blocks_of("```bash\nsource a/b; B=x\n```")
    assert only_settings.shown == "source a/b; B=x"


@pytest.mark.parametrize("line", ["source .venv/bin/activate; B=x", "B=x", 'S=(--a "[1; 2]")', "B=x; C=$B/configs"])
def test_later_blocks_get_the_lines_that_set_something(line):
    assert settings_of(f"python -m a\n{line}\n") == [line]


@pytest.mark.parametrize("line", ["A=x python -m a", "python -m a", "B=x; python -m a", "echo B=x"])
def test_lines_that_run_something_are_not_run_again(line):
    assert settings_of(line) == []
