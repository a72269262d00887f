"""The how-to pages for authors of backends do what they say: their files are written, their commands are run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
PAGES = ("write-a-backend.md", "test-a-backend.md")
BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OFFLINE = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
PYTHON = Path(sys.executable)
# Commands as the pages give them; pip installs beside this environment and without the network.
COMMANDS = {
    "pip install .": [PYTHON, "-m", "pip", "install", *OFFLINE, "--target", "site", "."],
    'pip install "terway-edge[testing]"': [PYTHON, "-c", "import terway_edge.testing, pytest"],
    "terway-edge plugins": [PYTHON, "-m", "terway_edge.cli.main", "plugins", "--config", "config.yaml"],
    "terway-edge config validate --config config.yaml": [
        *(PYTHON, "-m", "terway_edge.cli.main", "config", "validate", "--config", "config.yaml"),
    ],
    "pytest test_fixed_pool.py": [PYTHON, "-m", "pytest", "-q", "-W", "error", "test_fixed_pool.py"],
}


class Directory:
    """Where a reader of the pages works."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.commands: list[str] = []
        for page in PAGES:
            for language, name, text in BLOCK.findall((HOW_TO / page).read_text()):
                if name:
                    (path / name).write_text(text)
                elif language == "sh":
                    self.commands += text.splitlines()
        # The agent that does not run on this machine is not asked.
        with (path / "config.yaml").open("a") as config:
            config.write(f"run_dir: {path}\n")
        self.run(*COMMANDS["pip install ."])

    def run(self, *command: str | Path) -> str:
        environ = {**os.environ, "PYTHONPATH": str(self.path / "site"), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            command, cwd=self.path, env=environ, capture_output=True, text=True, check=False, timeout=100
        )
        assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Directory:
    return Directory(tmp_path_factory.mktemp("author"))


def test_every_block_is_a_file_or_a_command():
    blocks = [block for page in PAGES for block in BLOCK.findall((HOW_TO / page).read_text())]
    assert len(blocks) == sum((HOW_TO / page).read_text().count("\n```") // 2 for page in PAGES)
    assert [language for language, name, _ in blocks if not name and language != "sh"] == []


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([\w./-]+\.md)\)", (HOW_TO / page).read_text()):
            assert (HOW_TO / target).exists(), f"{page} links to {target}"


@pytest.mark.slow
def test_every_command_works(directory):
    assert directory.commands
    for command in directory.commands:
        directory.run(*COMMANDS[command])


@pytest.mark.slow
def test_the_plugin_of_the_page_is_listed(directory):
    answer = json.loads(directory.run(*COMMANDS["terway-edge plugins"], "--json"))
    (plugin,) = (plugin for plugin in answer["plugins"] if plugin["name"] == "fixed_pool")
    assert (plugin["distribution"], plugin["error"]) == ("fixed-pool", "")


@pytest.mark.slow
def test_the_plugin_keeps_the_laws_without_pytest(directory):
    assert re.fullmatch(r"\d\d laws kept\n", directory.run(PYTHON, "prove.py"))


@pytest.mark.slow
def test_the_special_tests_of_the_page_pass(directory):
    assert "2 passed" in directory.run(PYTHON, "-m", "pytest", "-q", "-W", "error", "test_special.py")


@pytest.mark.slow
@pytest.mark.root
def test_the_plugin_of_the_page_keeps_the_laws_on_linux(directory):
    summary = directory.run(PYTHON, "-m", "pytest", "-q", "-W", "error", "test_on_linux.py").splitlines()[-1]
    assert "passed" in summary
    assert "skipped" not in summary


def test_the_plugin_of_the_page_has_forty_lines():
    (source,) = (text for _, name, text in BLOCK.findall((HOW_TO / PAGES[0]).read_text()) if name == "fixed_pool.py")
    assert len([line for line in source.splitlines() if line.strip()]) <= 40
