"""Which file may import which, read from the sources themselves."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIBRARY = sorted((ROOT / "motion_imitate").rglob("*.py"))
PIPELINES = sorted((ROOT / "pipelines").rglob("*.py"))

LAYERS = (
    {"types", "files", "heif_brands", "quiet_stderr", "runner", "device_copy"},
    {"weights", "geometry"},
    {"video", "motion", "bodies", "estimators"},
    {"background", "photos", "compositing"},
    {"generators", "avatar"},
    {"synthesis", "training"},
    {"dress", "metrics", "frame_renderer", "imitate", "novel_view", "person", "portray", "renderer_chain"},
)  # the rooms of the library, from the lowest: each may import itself, its own layer and those below
NEVER = {("avatar", "generators"), ("video", "motion"), ("geometry", "weights")}  # though they share a layer
JOBS = {
    "imitate",
    "novel_view",
    "dress",
    "avatar",
    "batch",
    "train",
    "evaluate",
    "synthesize",
    "bench",
    "build_assets",
    "web",
}
ACROSS = {
    ("batch", "imitate"),
    ("batch", "novel_view"),
    ("batch", "dress"),
    ("train", "synthesize"),
    *(("web", job) for job in ("avatar", "batch", "dress", "imitate", "novel_view")),
}  # one job's folder into another's
HOMES = {
    "av": ("motion_imitate/video/", "pipelines/bench/video.py"),
    "ray": ("pipelines/streaming/", "pipelines/batch/ray_workers.py"),
    "fastapi": ("pipelines/web/",),
    "starlette": ("pipelines/web/",),
    "uvicorn": ("pipelines/web/",),
    "pydantic": ("pipelines/web/",),
    "safetensors": ("motion_imitate/weights.py",),
    "pickle": ("pipelines/build_assets/smpl.py",),
    "torchvision": (),
}  # packages that only some files may import


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{a.name}" for a in node.names)


def room_of(path: Path) -> str:
    """The folder or file right below the package."""
    return path.relative_to(ROOT).parts[1].removesuffix(".py")


def rooms_imported(path: Path, package: str) -> set[str]:
    return {name.split(".")[1] for name in imported_modules(path) if name.startswith(f"{package}.")}


def layer_of(room: str) -> int:
    return next(k for k, layer in enumerate(LAYERS) if room in layer)


def test_every_import_goes_down_a_layer_and_no_job_imports_another():
    wrong = []
    for path in LIBRARY:
        if path.name == "__init__.py" and path.parent.name == "motion_imitate":
            continue
        room = room_of(path)
        wrong += [f"{path}: pipelines" for name in imported_modules(path) if name.startswith("pipelines")]
        for other in rooms_imported(path, "motion_imitate") - {room}:
            if layer_of(other) > layer_of(room) or (room, other) in NEVER:
                wrong.append(f"{path}: {other}")
    for path in PIPELINES:
        job = room_of(path)
        others = rooms_imported(path, "pipelines") & JOBS - {job}
        if job in JOBS - {"bench", "evaluate"}:
            wrong += [f"{path}: {other}" for other in others if (job, other) not in ACROSS]
        if job not in ("cli", "bench") and "cli" in rooms_imported(path, "pipelines"):
            wrong.append(f"{path}: cli")
    assert not wrong


def test_some_packages_have_one_home():
    wrong = [
        f"{path} imports {name}"
        for path in [*LIBRARY, *PIPELINES]
        for name in imported_modules(path)
        if (home := HOMES.get(name.split(".")[0])) is not None
        and not str(path.relative_to(ROOT)).startswith(home or "no home")
    ]
    assert not wrong


def test_the_library_neither_prints_nor_picks_a_device():
    for path in LIBRARY:
        calls = [n.func for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        names = {f.id if isinstance(f, ast.Name) else getattr(f, "attr", "") for f in calls}
        assert not names & {"print", "cuda"}, path
