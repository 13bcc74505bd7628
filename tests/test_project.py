"""The project as a whole: what it ships and says is what there is."""

import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from motion_imitate import weights
from motion_imitate.video import probe

ROOT = Path(__file__).parent.parent
ASSETS = ROOT / "assets"
PAPERS = {"manifest.json"}  # besides notices and licences


def shipped():
    files = [path.relative_to(ASSETS) for path in ASSETS.rglob("*") if path.is_file()]
    return sorted(str(f) for f in files if f.name not in PAPERS and not f.name.startswith(("NOTICE", "LICENSE")))


def test_every_shipped_file_is_in_the_manifest_and_nothing_else():
    assert sorted(asset.file for asset in weights.read_asset_manifest()) == shipped()


@pytest.mark.parametrize("asset", weights.read_asset_manifest(), ids=lambda a: a.file)
def test_a_shipped_file_is_what_the_manifest_says_and_whose_is_in_the_notice(asset):
    assert weights.file_sha256(ASSETS / asset.file) == asset.sha256
    assert asset.what
    assert asset.origin
    assert re.search(r"Apache-2\.0|CC0-1\.0|MIT|BSD-3-Clause", asset.licence)
    assert asset.file in (ROOT / "NOTICE").read_text()
    for paper in re.findall(r"see (\S+)", asset.licence):
        assert (ASSETS / paper).is_file()


def test_the_licence_is_apaches_own_text():
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"] == "Apache-2.0"


def test_the_demo_clip_is_small_upright_and_short():
    clip = ASSETS / "demo" / "clip.mp4"
    seen = probe(clip)
    assert clip.stat().st_size < 500_000
    assert (seen.width, seen.height, seen.frames) == (540, 960, 100)


def test_the_readme_installs_what_is_tested():
    pins = (ROOT / "constraints.txt").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert re.search(r"^torch==2\.\d+\.\d+$", pins, re.M)
    readme = (ROOT / "README.md").read_text()
    assert 'pip install -c constraints.txt -e ".[dev]" && pytest' in readme
    assert "pip install -c constraints.txt . && motion-imitate demo" in readme
    for extra in re.findall(r"extra `(\w+)`", readme):
        assert extra in project["optional-dependencies"]


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda p: p.name)
def test_links_of_a_page_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_every_command_has_its_page():
    pages = "".join(page.read_text() for page in (ROOT / "docs").glob("*.md"))
    listed = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "--help"], capture_output=True, text=True, cwd=ROOT, timeout=60
    ).stdout
    commands = re.findall(r"^│ ([a-z][a-z-]+) ", listed, re.M)
    assert len(commands) >= 6
    for command in commands:
        assert f"motion-imitate {command}" in pages or f"`{command} " in pages, command


def test_ci_runs_the_readmes_test_command_last():
    script = (ROOT / ".ci" / "run").read_text()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert script.rstrip().endswith("\npytest")
    assert 'pip install -q -c constraints.txt -e ".[dev]"' in script
    assert "set -euo pipefail" in script


def tracked():
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, cwd=ROOT)
    if listed.returncode:
        pytest.skip("not a checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_is_too_large_and_none_names_this_machine():
    here = [f"{place}/".encode() for place in (Path.home(), ROOT) if place != Path("/")]
    for path in tracked():
        data = path.read_bytes()
        assert len(data) < 32_000_000, path
        if b"\0" not in data:
            assert not any(place in data for place in here), path


def test_a_wheel_carries_the_shipped_files(tmp_path):
    pytest.importorskip("hatchling")
    build = f"from hatchling import build as b; print(b.build_wheel(r'{tmp_path}'), b.build_sdist(r'{tmp_path}'))"
    subprocess.run([sys.executable, "-c", build], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    (source,) = tmp_path.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        manifest = json.loads(file.read("motion_imitate/assets/manifest.json"))
    assert {f"motion_imitate/assets/{asset['file']}" for asset in manifest} <= names
    assert {f"motion_imitate/assets/{name}" for name in shipped()} <= names
    assert any(name.endswith("licenses/NOTICE") for name in names)
    with tarfile.open(source) as file:
        inside = {name.partition("/")[2] for name in file.getnames()}
    assert {f"assets/{name}" for name in shipped()} <= inside
