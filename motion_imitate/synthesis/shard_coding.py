"""Labelled pictures as the tensors of a file: raw, or compressed as WebP and zlib.

Three maps are the channels of one lossless image. Colours are lossy, by about one level of 255. Of pictures up to
`SMALL_SIDE` pixels, surface coordinates keep 6 bits: a step is then below a third of a pixel.
"""

import zlib
from dataclasses import dataclass, fields
from typing import Any, Literal

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from motion_imitate.types import Batched, Body, Camera

ShardCoding = Literal["webp", "raw"]
COLOUR_QUALITY, LOSSLESS = 90, 101  # of WebP
LONGEST_IMAGE = 16383  # pixels of a WebP image's side
SMALL_SIDE = 128  # pixels
MAP_GROUPS = (("u", "part", "v"), ("seen_u", "seen_part", "seen_v"), ("layer", "alpha", "kind"), ("seen_depth",) * 3)
COARSE_FIELDS = ("u", "v", "seen_u", "seen_v", "seen_depth")
COARSE_SHIFT = 2  # bits dropped of the coarse fields of small pictures


@dataclass(frozen=True)
class LabelledPictures(Batched):
    """N pictures of one person with ground truth. Maps are sampled at pixel centres; the background is black."""

    colour: UInt8[Tensor, "N 3 H W"]  # over black: already multiplied by alpha
    alpha: UInt8[Tensor, "N H W"]
    layer: UInt8[Tensor, "N H W"]  # of `labels.LAYERS`
    kind: UInt8[Tensor, "N H W"]  # of `labels.KINDS`
    part: UInt8[Tensor, "N H W"]  # 1 to 24, 0 where nobody is
    u: UInt8[Tensor, "N H W"]
    v: UInt8[Tensor, "N H W"]
    seen_part: UInt8[Tensor, "N H W"]  # of the bare body that an estimator would see
    seen_u: UInt8[Tensor, "N H W"]
    seen_v: UInt8[Tensor, "N H W"]
    seen_depth: UInt8[Tensor, "N H W"]  # 128 at the root's depth, see `encode_body_depth`
    body: Body
    camera: Camera
    seen_body: Body
    seen_camera: Camera
    points: Float[Tensor, "N 33 2"]
    points_seen: Float[Tensor, "N 33"]
    face: Float[Tensor, "N 4"]
    face_turned: Float[Tensor, " N"]
    person: Tensor  # [N]


def encode_images(images: UInt8[Tensor, "N 3 H W"], quality: int) -> UInt8[Tensor, " L"]:
    """Images one below the other as one WebP image."""
    high = images.permute(0, 2, 3, 1).flatten(0, 1).contiguous().numpy()
    if max(high.shape) > LONGEST_IMAGE:
        raise ValueError(f"{len(images)} pictures are {len(high)} pixels high together; make fewer views of a person")
    _, data = cv2.imencode(".webp", high, [cv2.IMWRITE_WEBP_QUALITY, quality])
    return torch.from_numpy(np.asarray(data).ravel())


def decode_images(data: UInt8[Tensor, " L"], count: int) -> UInt8[Tensor, "N 3 H W"]:
    """Inverse of `encode_images`."""
    high = torch.from_numpy(np.asarray(cv2.imdecode(data.numpy(), cv2.IMREAD_COLOR)))
    return high.unflatten(0, (count, -1)).permute(0, 3, 1, 2).contiguous()


def deflate_numbers(values: Float[Tensor, "..."]) -> UInt8[Tensor, " L"]:
    """Numbers in half precision, compressed."""
    return torch.frombuffer(
        bytearray(zlib.compress(values.half().contiguous().numpy().tobytes(), 6)), dtype=torch.uint8
    )


def inflate_numbers(data: UInt8[Tensor, " L"], shape: tuple[int, ...]) -> Float[Tensor, "..."]:
    """Inverse of `deflate_numbers`."""
    plain = torch.frombuffer(bytearray(zlib.decompress(data.numpy().tobytes())), dtype=torch.float16)
    return plain.float().view(*shape)


def pack_pictures(pictures: LabelledPictures, coding: ShardCoding) -> dict[str, Tensor]:
    """Pictures as the tensors of a file."""
    found = flatten_fields(pictures)
    if coding == "raw":
        return found
    coarse = COARSE_SHIFT * (max(pictures.alpha.shape[1:]) <= SMALL_SIDE)
    for group in MAP_GROUPS:
        maps = [found[name] >> coarse * (name in COARSE_FIELDS) for name in group]
        found[".".join((*group, "webp"))] = encode_images(torch.stack(maps, 1), LOSSLESS)
    found["colour.webp"] = encode_images(pictures.colour, COLOUR_QUALITY)
    for name in ("body.pose", "seen_body.pose"):
        found[f"{name}.zlib"] = deflate_numbers(found.pop(name))
    return {name: value for name, value in found.items() if name != "colour" and all(name not in g for g in MAP_GROUPS)}


def flatten_fields(pictures: LabelledPictures) -> dict[str, Tensor]:
    """The tensors of the pictures by dotted name."""
    found: dict[str, Tensor] = {}
    for one in fields(pictures):
        value = getattr(pictures, one.name)
        if isinstance(value, Batched):
            found |= {f"{one.name}.{f.name}": getattr(value, f.name) for f in fields(value)}
        else:
            found[one.name] = value
    return found


def unpack_pictures(tensors: dict[str, Tensor]) -> LabelledPictures:
    """Pictures from the tensors of a file."""
    known = tensors if "colour" in tensors else tensors | decode_compressed_fields(tensors)
    values: dict[str, Any] = {}
    for one in fields(LabelledPictures):
        kind: Any = one.type
        nested = isinstance(kind, type) and issubclass(kind, Batched)
        values[one.name] = (
            kind(**{f.name: known[f"{one.name}.{f.name}"] for f in fields(kind)}) if nested else known[one.name]
        )
    return LabelledPictures(**values)


def decode_compressed_fields(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The compressed tensors of a file, decoded."""
    count = len(tensors["person"])
    found = {"colour": decode_images(tensors["colour.webp"], count)}
    coarse = COARSE_SHIFT * (max(found["colour"].shape[2:]) <= SMALL_SIDE)
    for group in MAP_GROUPS:
        maps = decode_images(tensors[".".join((*group, "webp"))], count).unbind(1)
        for name, values in zip(group, maps, strict=True):
            found[name] = restore_coarse_bits(values, coarse) if name in COARSE_FIELDS else values
    for name in ("body.pose", "seen_body.pose"):
        found[name] = inflate_numbers(tensors[f"{name}.zlib"], (count, -1, 3, 3))
    return found


def restore_coarse_bits(values: UInt8[Tensor, "N H W"], shift: int) -> UInt8[Tensor, "N H W"]:
    """Values of which `shift` bits were dropped, at the middle of their step; 0 stays 0."""
    return torch.where(values > 0, (values << shift) + (1 << shift >> 1), 0).to(torch.uint8) if shift else values


def pack_scenes(scenes: UInt8[Tensor, "N 3 H W"], coding: ShardCoding) -> dict[str, Tensor]:
    """Scenes as the tensors of a file."""
    if coding == "raw":
        return {"scenes": scenes}
    return {"scenes.webp": encode_images(scenes, COLOUR_QUALITY), "count": torch.tensor(len(scenes))}


def unpack_scenes(tensors: dict[str, Tensor]) -> UInt8[Tensor, "N 3 H W"]:
    """Scenes from the tensors of a file."""
    if "scenes" in tensors:
        return tensors["scenes"]
    return decode_images(tensors["scenes.webp"], int(tensors["count"]))
