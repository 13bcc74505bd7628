"""Make the pose and face networks of assets/ from the npm packages that publish them. Downloads nothing itself:

npm pack @mediapipe/pose@0.5.1675469404 @mediapipe/face_mesh@0.4.1657299874 @vladmandic/face-api@1.7.15
motion-imitate convert networks *.tgz -o assets -y
"""

import json
import re
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from motion_imitate.files import put
from motion_imitate.weights import sha256, write
from pipelines.output_path import Refused, refuse

IDENTITY = "face_identity"
PACKED = re.compile(r'"filename": "([^"]+)", "start": (\d+), "end": (\d+)')


def members(package: Path) -> dict[str, bytes]:
    """The files of an npm package, by name without folders."""
    try:
        return untarred(package)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ValueError(f"{package} is no npm package that can be opened ({error}); fetch it with npm pack") from None


def untarred(package: Path) -> dict[str, bytes]:
    with tarfile.open(package) as archive:
        files = {m.name.split("/")[-1]: archive.extractfile(m) for m in archive.getmembers() if m.isfile()}
        return {name: file.read() for name, file in files.items() if file}


def unpacked(files: dict[str, bytes]) -> dict[str, bytes]:
    """What MediaPipe's packed assets hold; the script that loads them says where each file lies."""
    out = {}
    for name, data in files.items():
        if name.endswith("_packed_assets.data"):
            loader = files[name.replace(".data", "_loader.js")].decode()
            for path, start, end in PACKED.findall(loader):
                out[path.split("/")[-1]] = data[int(start) : int(end)]
    return out


def mediapipe_nets(packages: list[Path]) -> dict[str, bytes]:
    names = {"pose_detector": "pose_detection", "face_detector": "face_detection_short_range"}
    names |= {"face_landmarks": "face_landmark"}
    names |= {f"pose_{size}": f"pose_landmark_{size}" for size in ("lite", "full", "heavy")}
    found: dict[str, bytes] = {}
    for package in packages:
        files = members(package)
        found |= {k: v for k, v in (files | unpacked(files)).items() if k.endswith(".tflite")}
    return {ours: found[f"{theirs}.tflite"] for ours, theirs in names.items() if f"{theirs}.tflite" in found}


def identity_net(files: dict[str, bytes]) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """dlib's face recognition network as face-api ships it: most tensors are bytes, with a scale and a least value."""
    described = files.get("face_recognition_model-weights_manifest.json")
    if described is None:
        raise ValueError("the face network comes without its manifest; take @vladmandic/face-api 1.7.15")
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
        raise ValueError(
            f"the face network has {len(data)} bytes, {at} were expected; take @vladmandic/face-api 1.7.15"
        )
    return {"quantised": scales}, tensors


def fetch(packages: list[Path], folder: Path, overwrite: bool) -> dict[str, str]:
    """Writes the networks that are in the packages; their SHA-256 by name."""
    if not folder.is_dir():
        raise Refused(f"there is no folder {folder}; make it first, or give another")
    nets = mediapipe_nets(packages)
    identity = [files for package in packages if "face_recognition_model.bin" in (files := members(package))]
    outs = {name: folder / f"{name}.tflite" for name in nets}
    if identity:
        outs[IDENTITY] = folder / f"{IDENTITY}.safetensors"
    if not outs:
        raise ValueError(f"no network is in {', '.join(map(str, packages))}; docs/weights.md names the packages")
    for out in outs.values():
        refuse(out, packages, (out.suffix,), overwrite)
    for name, data in nets.items():
        put(outs[name], data)
    for files in identity:
        write(outs[IDENTITY], *identity_net(files))
    return {out.name: sha256(out) for out in outs.values()}
