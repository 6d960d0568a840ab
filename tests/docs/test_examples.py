"""Every command and example of README.md and docs/ does what the page says."""

import re
import subprocess

import pytest

from tests.docs.blocks import LANGUAGES, PAGES, REPOSITORY, Block, blocks, run_page

BLOCKS = [block for page in PAGES for block in blocks(page)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_does_what_it_shows(page, tmp_path):
    run_page(page, tmp_path)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_is_run_or_says_why_not(block: Block):
    assert block.language in LANGUAGES
    if block.marker == "not run":
        assert len(block.argument.split()) >= 2


def test_every_fence_was_found():
    for page in PAGES:
        fences = re.findall(r"^ *(?:```|~~~)", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert len(fences) == 2 * len(blocks(page)), page.name


def test_python_that_is_not_run_is_python():
    for block in BLOCKS:
        if block.language == "python":
            compile(block.text, str(block), "exec")


def test_commands_that_are_not_run_are_at_least_well_formed():
    for block in BLOCKS:
        if block.language == "sh":
            assert subprocess.run(["bash", "-n", "-c", block.text]).returncode == 0, block


def test_a_command_that_stands_for_another_is_what_make_runs():
    [block] = [block for block in BLOCKS if block.marker == "run as"]
    target = block.text.split()[1]
    recipe = (REPOSITORY / "Makefile").read_text(encoding="utf-8").partition(f"\n{target}: ")[2].partition("\n\n")[0]
    assert block.argument in recipe.replace("$(BIN)/", "").replace("$(DEMO_OUTPUT)", "demo_output")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```sh\nfalse\necho no\n```\n", "exit code 1"),
        ("```sh\necho one\n```\n\n```text\ntwo\n```\n", "this was printed:\none"),
        ("```python\nprint(1)\n```\n\n```text\n...2\n```\n", "this was printed:\n1"),
        ("```text\nalone\n```\n", "no block before it"),
    ],
)
def test_a_page_that_is_wrong_is_found(text, complaint, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(AssertionError, match=complaint):
        run_page(page, tmp_path)


def test_a_page_that_is_right_passes(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- file: greet.py -->\n```python\nprint('hello')\n```\n\n"
        "```sh\npython greet.py; date\n```\n\n```text\nhello\n...\n```\n\n"
        "```python\nnumber = 1\n```\n\n```python\nprint(number)\n```\n\n```text\n1\n```\n\n"
        "<!-- not run: would fail here -->\n```sh\nfalse\n```\n"
    )
    run_page(page, tmp_path)
