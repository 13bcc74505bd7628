"""Extract the pose and face networks of assets/ from the npm packages that publish them. Downloads nothing itself:

npm pack @mediapipe/pose@0.5.1675469404 @mediapipe/face_mesh@0.4.1657299874 @vladmandic/face-api@1.7.15 motion-imitate
convert networks *.tgz -o assets -y
"""

import json
import re
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from motion_imitate.files import write_bytes_atomically
from motion_imitate.weights import file_sha256, write_weights
from pipelines.output_path import UsageError, check_output_path

IDENTITY_NETWORK = "face_identity"
PACKED_ASSET_PATTERN = re.compile(r'"filename": "([^"]+)", "start": (\d+), "end": (\d+)')


def read_npm_package(package: Path) -> dict[str, bytes]:
    """The files of an npm package, by name without folders."""
    try:
        return extract_tar_files(package)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ValueError(f"{package} is not a readable npm package ({error}); fetch it with npm pack") from None


def extract_tar_files(package: Path) -> dict[str, bytes]:
    """The files of a tar archive, by name without folders."""
    with tarfile.open(package) as archive:
        files = {m.name.split("/")[-1]: archive.extractfile(m) for m in archive.getmembers() if m.isfile()}
        return {name: file.read() for name, file in files.items() if file}


def unpack_mediapipe_assets(files: dict[str, bytes]) -> dict[str, bytes]:
    """The files inside MediaPipe's packed assets, located by the index in the script that loads them."""
    out = {}
    for name, data in files.items():
        if name.endswith("_packed_assets.data"):
            loader = files[name.replace(".data", "_loader.js")].decode()
            for path, start, end in PACKED_ASSET_PATTERN.findall(loader):
                out[path.split("/")[-1]] = data[int(start) : int(end)]
    return out


def find_mediapipe_networks(packages: list[Path]) -> dict[str, bytes]:
    """MediaPipe's networks in these packages, by our names."""
    names = {"pose_detector": "pose_detection", "face_detector": "face_detection_short_range"}
    names |= {"face_landmarks": "face_landmark"}
    names |= {f"pose_{size}": f"pose_landmark_{size}" for size in ("lite", "full", "heavy")}
    found: dict[str, bytes] = {}
    for package in packages:
        files = read_npm_package(package)
        found |= {k: v for k, v in (files | unpack_mediapipe_assets(files)).items() if k.endswith(".tflite")}
    return {ours: found[f"{theirs}.tflite"] for ours, theirs in names.items() if f"{theirs}.tflite" in found}


def convert_identity_network(files: dict[str, bytes]) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Convert dlib's face recognition network as face-api ships it: most tensors are bytes with a scale and an
    offset."""
    described = files.get("face_recognition_model-weights_manifest.json")
    if described is None:
        raise ValueError("the face network has no manifest; use @vladmandic/face-api 1.7.15")
    weights = json.loads(described)[0]["weights"]
    data, at = files["face_recognition_model.bin"], 0
    tensors, scales = {}, {}
    for weight in weights:
        how = weight.get("quantization")
        kind = np.dtype(how["dtype"] if how else np.float32)
        count = int(np.prod(weight["shape"]))
        values = np.frombuffer(data, kind, count, at).reshape(weight["shape"])
        at += count * kind.itemsize
        values = values.transpose(3, 2, 0, 1) if values.ndim == 4 else values
        tensors[weight["name"]] = torch.from_numpy(values.copy())
        if how:
            scales[weight["name"]] = [how["scale"], how["min"]]
    if at != len(data):
        raise ValueError(f"the face network has {len(data)} bytes instead of {at}; use @vladmandic/face-api 1.7.15")
    return {"quantised": scales}, tensors


def extract_shipped_networks(packages: list[Path], folder: Path, overwrite: bool) -> dict[str, str]:
    """Write the networks found in the packages; returns their SHA-256 by file name."""
    if not folder.is_dir():
        raise UsageError(f"no folder {folder}; create it, or name another")
    nets = find_mediapipe_networks(packages)
    identity = [files for package in packages if "face_recognition_model.bin" in (files := read_npm_package(package))]
    outs = {name: folder / f"{name}.tflite" for name in nets}
    if identity:
        outs[IDENTITY_NETWORK] = folder / f"{IDENTITY_NETWORK}.safetensors"
    if not outs:
        raise ValueError(f"no network in {', '.join(map(str, packages))}; docs/weights.md lists the packages")
    for out in outs.values():
        check_output_path(out, packages, (out.suffix,), overwrite)
    for name, data in nets.items():
        write_bytes_atomically(outs[name], data)
    for files in identity:
        write_weights(outs[IDENTITY_NETWORK], *convert_identity_network(files))
    return {out.name: file_sha256(out) for out in outs.values()}
