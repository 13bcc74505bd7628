"""What a file is; what the shipped files are."""

import stat
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from motion_imitate import weights as stored
from motion_imitate.bodies import smpl
from motion_imitate.estimators.tflite import read_graph
from motion_imitate.photos.read import upright_size
from motion_imitate.video import NotAVideo, probe
from pipelines.motion import stored as stored_module
from pipelines.reporter import MISSING, OK, Talk, table

Record = dict[str, Any]


def info(file: Path, talk: Talk) -> None:
    if not file.exists() or not stat.S_ISREG(file.stat().st_mode):
        raise NotAVideo(f"{file} is {'not a regular file' if file.exists() else 'not there'}; give the path of a file")
    record = {"file": str(file)} | KINDS.get(file.suffix.lower(), clip)(file)
    for warning in record.get("warnings", ()):
        talk.warn(warning)
    talk.record(record)


def clip(file: Path) -> Record:
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


def picture(file: Path) -> Record:
    height, width = upright_size(file)
    return {"kind": "picture", "width": width, "height": height}


def tensors(file: Path) -> Record:
    about, held = stored.read(file)
    numbers = sum(tensor.numel() for tensor in held.values())
    return {"kind": "weights", "tensors": len(held), "numbers": numbers, "sha256": stored.sha256(file)} | {
        name: value for name, value in about.items() if isinstance(value, str | int | float)
    }


def network(file: Path) -> Record:
    graph = read_graph(file)
    numbers = sum(value.size for value in graph.constants.values())
    return {"kind": "network", "steps": len(graph.steps), "numbers": numbers, "sha256": stored.sha256(file)}


KINDS: dict[str, Callable[[Path], Record]] = {
    ".npz": stored_module.described,
    ".safetensors": tensors,
    ".tflite": network,
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"), picture),
}


def weights(check: bool, talk: Talk) -> int:
    """The shipped files, and the user's own; the exit code tells whether all that is shipped is there."""
    rows = [described(asset, check) for asset in stored.manifest()]
    rows.append(own_smpl())
    wrong = [row for row in rows if row["state"] in ("missing", "changed")]
    if talk.json:
        talk.result({"weights": rows}, "")
    else:
        table(("file", "kB", "state", "what", "licence", "origin", "sha256"), rows)
    for row in wrong:
        talk.warn(f"{row['file']} is {row['state']}; install the program again")
    return MISSING if wrong else OK


def described(asset: stored.Asset, check: bool) -> Record:
    record = asdict(asset)
    try:
        path = stored.find(asset.file)
    except stored.MissingWeights:
        return record | {"kB": None, "state": "missing"}
    state = "there" if not check else "sound" if stored.sha256(path) == asset.sha256 else "changed"
    return record | {"kB": round(path.stat().st_size / 1000), "state": state}


def own_smpl() -> Record:
    try:
        path = smpl.home() / smpl.FILE
    except stored.MissingWeights:  # nowhere to keep it
        path = Path(smpl.FILE)
    there = path.is_file()
    return {
        "file": str(path),
        "what": "the body SMPL, for --body smpl (optional)",
        "origin": "your own file, by `motion-imitate convert smpl`",
        "licence": "SMPL's own; not to be passed on",
        "sha256": stored.sha256(path) if there else None,
        "kB": round(path.stat().st_size / 1000) if there else None,
        "state": "there" if there else "not installed",
    }
