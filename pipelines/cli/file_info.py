"""Describe files: clips, images, motions and weights."""

import stat
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from motion_imitate import weights as stored
from motion_imitate.bodies import smpl
from motion_imitate.estimators.tflite import read_tflite_graph
from motion_imitate.photos.read import upright_photo_size
from motion_imitate.video import NotAVideo, probe
from pipelines.motion import stored as stored_module
from pipelines.reporter import MISSING, OK, Reporter, print_table

FileRecord = dict[str, Any]


def report_file_info(file: Path, reporter: Reporter) -> None:
    """Print what a file holds, by its suffix; files of unknown suffix are read as clips."""
    if not file.exists() or not stat.S_ISREG(file.stat().st_mode):
        raise NotAVideo(f"{file} is {'not a regular file' if file.exists() else 'missing'}; give the path of a file")
    record = {"file": str(file)} | DESCRIBERS.get(file.suffix.lower(), describe_clip)(file)
    for warning in record.get("warnings", ()):
        reporter.warn(warning)
    reporter.record(record)


def describe_clip(file: Path) -> FileRecord:
    """Size, rate, length and oddities of a video, upright as players show it."""
    seen = probe(file)
    return {
        "kind": "clip",
        "width": seen.width,
        "height": seen.height,
        "rate": round(float(seen.rate), 3),
        "frames": seen.frames,
        "seconds": seen.duration and round(seen.duration, 3),
        "codec": seen.codec,
        "sound": seen.sound,
        "rotation": seen.rotation,
        "hdr": seen.hdr,
        "interlaced": seen.interlaced,
        "warnings": list(seen.warnings),
    }


def describe_image(file: Path) -> FileRecord:
    """The size of an image, upright."""
    height, width = upright_photo_size(file)
    return {"kind": "picture", "width": width, "height": height}


def describe_tensors(file: Path) -> FileRecord:
    """Tensors and metadata of a .safetensors file."""
    about, held = stored.read_weights(file)
    numbers = sum(tensor.numel() for tensor in held.values())
    return {"kind": "weights", "tensors": len(held), "numbers": numbers, "sha256": stored.file_sha256(file)} | {
        name: value for name, value in about.items() if isinstance(value, str | int | float)
    }


def describe_network(file: Path) -> FileRecord:
    """Operations and weights of a .tflite file."""
    graph = read_tflite_graph(file)
    numbers = sum(value.size for value in graph.constants.values())
    return {"kind": "network", "steps": len(graph.steps), "numbers": numbers, "sha256": stored.file_sha256(file)}


DESCRIBERS: dict[str, Callable[[Path], FileRecord]] = {
    ".npz": stored_module.describe_motion_file,
    ".safetensors": describe_tensors,
    ".tflite": describe_network,
    **dict.fromkeys(
        (".png", ".jpg", ".jpeg", ".heic", ".heif", ".avif", ".webp", ".bmp", ".tif", ".tiff"), describe_image
    ),
}


def list_weights(check: bool, reporter: Reporter) -> int:
    """List the shipped files and the user's own SMPL; exit code 4 if a shipped file is missing or changed."""
    rows = [describe_asset(asset, check) for asset in stored.read_asset_manifest()]
    rows.append(describe_own_smpl())
    wrong = [row for row in rows if row["state"] in ("missing", "changed")]
    if reporter.json:
        reporter.result({"weights": rows}, "")
    else:
        print_table(("file", "kB", "state", "what", "licence", "origin", "sha256"), rows)
    for row in wrong:
        reporter.warn(f"{row['file']} is {row['state']}; reinstall motion-imitate")
    return MISSING if wrong else OK


def describe_asset(asset: stored.Asset, check: bool) -> FileRecord:
    """A shipped file with its size and state; `check` compares the SHA-256."""
    record = asdict(asset)
    try:
        path = stored.find_asset(asset.file)
    except stored.MissingWeights:
        return record | {"kB": None, "state": "missing"}
    state = "there" if not check else "sound" if stored.file_sha256(path) == asset.sha256 else "changed"
    return record | {"kB": round(path.stat().st_size / 1000), "state": state}


def describe_own_smpl() -> FileRecord:
    """Where the user's own SMPL file goes, and whether it is there."""
    try:
        path = smpl.user_data_folder() / smpl.SMPL_FILE
    except stored.MissingWeights:  # there is no home folder
        path = Path(smpl.SMPL_FILE)
    there = path.is_file()
    return {
        "file": str(path),
        "what": "the body SMPL, for --body smpl (optional)",
        "origin": "your own file, from `motion-imitate convert smpl`",
        "licence": "SMPL licence; do not redistribute",
        "sha256": stored.file_sha256(path) if there else None,
        "kB": round(path.stat().st_size / 1000) if there else None,
        "state": "there" if there else "not installed",
    }
