"""Docker's files name what is there, and the page's commands name Docker's files and the program's options."""

import json
import re
import shlex
import tomllib
from fnmatch import fnmatch

import pytest

from pipelines.cli.commands import app
from tests.support import ROOT

DOCKERFILES = sorted((ROOT / "docker").glob("Dockerfile*"))
PAGE = (ROOT / "docs" / "docker.md").read_text()
COMMANDS = [shlex.split(line) for block in re.findall(r"```\n(.*?)```", PAGE, re.S) for line in block.splitlines()]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def instructions(path):
    """The verbs and arguments of a Dockerfile."""
    lines = path.read_text().replace("\\\n", " ").splitlines()
    return [line.split(None, 1) for line in lines if line.strip() and not line.startswith("#")]


def copied(path):
    """What a Dockerfile copies from the checkout."""
    given = [rest.split()[:-1] for verb, rest in instructions(path) if verb == "COPY" and "--from" not in rest]
    return [name for names in given for name in names]


def test_there_is_one_for_the_cpu_and_one_for_gpus():
    assert [path.name for path in DOCKERFILES] == ["Dockerfile", "Dockerfile.cuda"]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_what_is_copied_is_there_and_not_ignored(path):
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {"pyproject.toml", "constraints.txt", "motion_imitate", "pipelines", "assets"} <= set(copied(path))
    for name in copied(path):
        assert (ROOT / name).exists()
        assert not any(fnmatch(name, pattern) for pattern in ignored)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_what_is_installed_and_started_is_the_project(path):
    steps = instructions(path)
    [install] = [rest for verb, rest in steps if verb == "RUN" and "pip install" in rest]
    assert "-c constraints.txt" in install
    assert set(re.findall(r"\.\[(\w+)\]", install)) <= set(EXTRAS)
    assert ["ENTRYPOINT", json.dumps(["motion-imitate"])] in steps
    assert any(verb == "USER" for verb, _ in steps)


def test_the_pages_builds_are_those_of_the_dockerfiles():
    builds = [words for words in COMMANDS if words[:2] == ["docker", "build"]]
    assert {words[words.index("-f") + 1] for words in builds} == {f"docker/{path.name}" for path in DOCKERFILES}
    for words in builds:
        assert words[-1] == "."
        text = (ROOT / words[words.index("-f") + 1]).read_text()
        for name in [words[k + 1].split("=")[0] for k, word in enumerate(words) if word == "--build-arg"]:
            assert f"\nARG {name}=" in text


def test_the_pages_runs_are_of_images_that_it_builds_and_commands_that_parse(monkeypatch, tmp_path):
    images = {words[words.index("-t") + 1] for words in COMMANDS if words[:2] == ["docker", "build"]}
    runs = [words for words in COMMANDS if words[:2] == ["docker", "run"]]
    assert runs
    for words in runs:
        [at] = [k for k, word in enumerate(words) if word in images]
        assert ("--gpus" in words) == words[at].endswith(":cuda")
        app.parse_args(words[at + 1 :], exit_on_error=False, print_error=False)
