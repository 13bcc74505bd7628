"""The rules of who may import whom, read from the sources themselves."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIBRARY = sorted((ROOT / "motion_imitate").rglob("*.py"))
PIPELINES = sorted((ROOT / "pipelines").rglob("*.py"))

LOW = [
    "files",
    "rows",
    "types",
    "camera",
    "raster_numba",
    "raster",
    "flow",
    "mesh",
    "losses",
    "metrics",
    "picture_metrics",
    "picture_headers",
    "background_numba",
    "compose_numba",
    "background",
    "compositor",
    "shadow",
    "rotations",
    "windows",
    "feet",
    "legs",
    "ground",
    "motion",
    "motion_file",
    "overlay_numba",
    "overlay",
]  # each may import those before it
SHARED = [
    "types",
    "camera",
    "raster",
    "flow",
    "mesh",
    "background",
    "compositor",
    "weights",
]  # what plug-ins may use, besides their own folder
ALONE = {
    "av": [
        *[f"motion_imitate/video/{n}.py" for n in ("opening", "decoding", "reading", "sound", "writing", "joining")],
        "pipelines/bench_video.py",  # to measure against PyAV alone
    ],
    "ray": [f"pipelines/{n}.py" for n in ("actors", "cluster", "ends", "hands_ray")],
    "fastapi": ["pipelines/web.py"],
    "safetensors": ["motion_imitate/weights.py"],
    "pickle": ["pipelines/convert.py"],
    "torchvision": [],
}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{a.name}" for a in node.names)


def allowed(path: Path) -> list[str]:
    """The parts of the library that `path` may import."""
    inside = path.relative_to(ROOT / "motion_imitate")
    name = inside.parts[0].removesuffix(".py")
    if name in LOW:
        return LOW[: LOW.index(name)]
    if name == "video":
        return ["files", "types", "video"]
    if name == "synthesis":
        return [p.name.removesuffix(".py") for p in (ROOT / "motion_imitate").iterdir() if p.name != "imitate.py"]
    if len(inside.parts) > 1:
        return [*SHARED, name]
    if name == "weights":
        return ["files", "types"]
    return [p.name.removesuffix(".py") for p in (ROOT / "motion_imitate").iterdir() if p.name != inside.name]


@pytest.mark.parametrize("path", LIBRARY, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_library_imports_downward(path):
    may = allowed(path)
    for name in imports(path):
        assert not name.startswith("pipelines"), f"{path.name} may not import {name}"
        if name.startswith("motion_imitate."):
            assert name.split(".")[1] in may, f"{path.name} may not import {name}"


@pytest.mark.parametrize("path", [*LIBRARY, *PIPELINES], ids=lambda p: str(p.relative_to(ROOT)))
def test_some_packages_have_one_home(path):
    for name in imports(path):
        home = ALONE.get(name.split(".")[0])
        assert home is None or str(path.relative_to(ROOT)) in home, f"only {home} may import {name}"


@pytest.mark.parametrize("path", LIBRARY, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_library_neither_prints_nor_picks_a_device(path):
    calls = [n.func for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
    names = {f.id if isinstance(f, ast.Name) else getattr(f, "attr", "") for f in calls}
    assert not names & {"print", "cuda"}
