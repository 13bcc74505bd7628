"""The nouns every other file speaks in, and the protocols parts plug in by.

B batch, T frames, J joints, S shape numbers, V vertices, F faces, H x W pixels.
Images are RGB, float in [0, 1], [B, 3, H, W]; uint8 exists only in `Frames` and in masks kept for later.
Image points are in [-1, 1] along both axes, whatever the image's shape: x right, y down, (-1, -1) the outer
corner of the top-left pixel, as `grid_sample(align_corners=False)` wants them.
Body space is in metres, y up, z out of the chest, x to the person's left; the root rotation turns the body in it.
Camera space is in metres, x right, y down, z away from the camera. A body whose root is unturned faces the camera.
Pose is one rotation per joint relative to its parent, in axes that at rest lie along body space's: all identity is
the rest pose.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

S = TypeVar("S", bound="Batched")


@dataclass(frozen=True)
class Batched:
    """Fields are tensors, or Batched themselves, that share their first axis."""

    def map(self: S, f: Callable[[Tensor], Tensor]) -> S:
        values = {x.name: getattr(self, x.name) for x in fields(self)}
        return replace(self, **{k: v.map(f) if isinstance(v, Batched) else f(v) for k, v in values.items()})

    def to(self: S, device: torch.device | str) -> S:
        return self.map(lambda t: t.to(device))

    def __getitem__(self: S, index: slice | Tensor) -> S:
        return self.map(lambda t: t[index])

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))


def cat(parts: Sequence[S]) -> S:
    """Join runs along their first axis."""
    first = parts[0]
    joined = {}
    for x in fields(first):
        values = [getattr(p, x.name) for p in parts]
        joined[x.name] = cat(values) if isinstance(values[0], Batched) else torch.cat(values)
    return replace(first, **joined)


@dataclass(frozen=True)
class Frames(Batched):
    """A run of video, on the CPU; four channels are RGB and straight alpha."""

    data: UInt8[Tensor, "T C H W"]
    seconds: Float[Tensor, " T"]


@dataclass(frozen=True)
class Body(Batched):
    """A body in its own model's terms: joint rotations and shape numbers."""

    pose: Float[Tensor, "B J 3 3"]
    shape: Float[Tensor, "B S"]


@dataclass(frozen=True)
class Camera(Batched):
    """A pinhole and where in front of it the body's root stands: image point = focal * (x, y) / z + centre."""

    focal: Float[Tensor, "B 2"]
    centre: Float[Tensor, "B 2"]
    place: Float[Tensor, "B 3"]


@dataclass(frozen=True)
class Sighting(Batched):
    """One person through a run, as a pose network saw them; score 0 where it did not."""

    points: Float[Tensor, "T K 2"]  # image points
    world: Float[
        Tensor, "T K 3"
    ]  # metres from the mid-hip, in camera axes of a camera that looks straight at the person
    visible: Float[Tensor, "T K"]
    score: Float[Tensor, " T"]
    crop: Float[Tensor, "T 2 3"]  # from the mask's own image points to the frame's
    mask: UInt8[Tensor, "T M M"]  # 255 where the person surely is
    seconds: Float[Tensor, " T"]


@dataclass(frozen=True)
class Motion(Batched):
    """What an estimator saw, frame by frame."""

    body: Body
    camera: Camera
    confidence: Float[Tensor, " B"]  # 1 sure; 0 not seen, the pose is held or bridged
    seconds: Float[Tensor, " B"]


@dataclass(frozen=True)
class Raster(Batched):
    """Which face each pixel centre sees (-1: none), where on that face, and how far away."""

    face: Int[Tensor, "B H W"]
    weights: Float[Tensor, "B H W 3"]
    depth: Float[Tensor, "B H W"]  # infinite where no face is seen


@dataclass(frozen=True)
class View(Batched):
    """A posed body as one camera sees it: all that a generator may look at."""

    corners: Float[Tensor, "B F 3 3"]  # image x, image y, depth in metres
    joints: Float[Tensor, "B J 2"]
    raster: Raster


@dataclass(frozen=True)
class Source(Batched):
    """A person in one or several photos of one size; made once."""

    image: Float[Tensor, "N 3 H W"]
    matte: Float[Tensor, "N 1 H W"]  # how much of each pixel is the person
    background: Float[Tensor, "N 3 H W"]  # the photos without the person
    body: Body
    camera: Camera
    view: View  # of a raster of any size


@dataclass(frozen=True)
class Drawn(Batched):
    """What a generator makes of a view, at the view's size; where to read the photos, and what to show elsewhere.

    There are K ways to read: way k reads photo k % N. Photos are read at the size of the output, however small the
    view: so they stay sharp.
    """

    colour: Float[Tensor, "B 3 H W"]
    cover: Float[Tensor, "B 1 H W"]  # how much of the pixel is the person
    flow: Float[Tensor, "B K H W 2"]  # image points of the photo
    trust: Float[Tensor, "B K H W"]  # how much of the colour is the photo's; sums to 1 at most
    trim: Float[Tensor, "B 1 H W"]  # how far the photo's matte cuts the cover where it is read


@dataclass(frozen=True)
class Skin:
    """A body that bends by linear blend skinning, and whose rest shape is linear in its shape numbers."""

    template: Float[Tensor, "V 3"]
    shape_dirs: Float[Tensor, "S V 3"]
    joints: Float[Tensor, "J 3"]
    joint_dirs: Float[Tensor, "S J 3"]
    weights: Float[Tensor, "V J"]
    parents: tuple[int, ...]  # -1 for the root, which comes first; every parent before its children


@runtime_checkable
class BodyModel(Protocol):
    """A body with a fixed mesh; shape numbers are standard normal over the adults it was made from."""

    name: str
    skin: Skin
    joint_names: tuple[str, ...]
    controls: dict[str, tuple[int, ...]]  # the 18 named bends of a person, each spread evenly over joints in a row
    relaxed: Tensor  # [J, 3, 3], the rest pose with hands hanging loose
    faces: Tensor  # [F, 3]
    uv: Tensor  # [F, 3, 2], texture coordinates in [0, 1] of the faces' corners
    parts: Tensor  # [F], 1 to 24 in DensePose's numbering
    iuv: Tensor  # [F, 3, 2], (u, v) in [0, 1] inside the part
    mirror_vertices: Tensor  # [V], each vertex's twin on the other side
    mirror_faces: Tensor  # [F]
    keypoint_offsets: tuple[
        Tensor, Tensor
    ]  # [33, 3] from "blazepose33" to what the network means; [33] joints they ride on
    proxy_vertices: Tensor  # [P], some vertices that stand for the whole mesh
    proxy_faces: Tensor  # [Q, 3], between those

    def __call__(self, body: Body) -> tuple[Tensor, Tensor]:
        """Vertices [B, V, 3] and joints [B, J, 3] in body space."""

    def keypoints(self, name: str) -> Tensor:
        """[K, V] blends of vertices: "coco17", "openpose18" or "blazepose33"."""


@runtime_checkable
class Estimator(Protocol):
    def __call__(self, frames: Frames) -> list[Sighting]:
        """Everybody seen in a run, each through the whole of it."""


C = TypeVar("C")


@runtime_checkable
class Generator(Protocol[C]):
    """Draws a person as a view shows their body. Knows no body model, camera, path or device."""

    def encode(self, source: Source) -> C:
        """What is needed of the photos, worked out once."""

    def draw(self, code: C, target: View) -> Drawn:
        """Each view by itself, whatever else is in the batch."""


Rasterizer = Callable[[Tensor, tuple[int, int]], Raster]  # face corners [B, F, 3, 3], (height, width)
