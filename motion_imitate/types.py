"""The data types that all modules share, and the protocols that bodies, estimators and generators implement.

Dimensions: B batch, T frames, N photos, K landmarks, J joints, S shape
coefficients, V vertices, F faces, H x W pixels.

Images: RGB, float in [0, 1], [B, 3, H, W]. uint8 is for video frames, backdrops, pictures composed in
place, and masks.

Image points: in [-1, 1] along both axes, whatever the aspect ratio. x points right, y down; (-1, -1) is the outer
corner of the top-left pixel, as in `grid_sample(align_corners=False)`.

Body space: metres, x to the person's left, y up, z out of the chest. The root rotation turns the body within it.

Camera space: metres, x right, y down, z away from the camera. A body with an identity root rotation faces the camera.

Pose: one rotation per joint, relative to its parent, about axes that are parallel to body space in the rest pose. All
identity is the rest pose.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

BatchedT = TypeVar("BatchedT", bound="Batched")


@dataclass(frozen=True)
class Batched:
    """Base class for dataclasses whose fields are tensors, or `Batched` themselves, that share their first axis."""

    def map(self: BatchedT, f: Callable[[Tensor], Tensor]) -> BatchedT:
        """Apply `f` to every tensor, including those of nested fields."""
        values = {x.name: getattr(self, x.name) for x in fields(self)}
        return replace(self, **{k: v.map(f) if isinstance(v, Batched) else f(v) for k, v in values.items()})

    def to(self: BatchedT, device: torch.device | str) -> BatchedT:
        """Move every tensor to a device."""
        return self.map(lambda t: t.to(device))

    def __getitem__(self: BatchedT, index: slice | Tensor) -> BatchedT:
        """Index every tensor along the first axis."""
        return self.map(lambda t: t[index])

    def __len__(self) -> int:
        """Length of the first axis."""
        return len(getattr(self, fields(self)[0].name))


def cat_batched(parts: Sequence[BatchedT]) -> BatchedT:
    """Concatenate along the first axis, field by field."""
    first = parts[0]
    joined = {}
    for x in fields(first):
        values = [getattr(p, x.name) for p in parts]
        joined[x.name] = cat_batched(values) if isinstance(values[0], Batched) else torch.cat(values)
    return replace(first, **joined)


ONE_SHOT = torch.empty(0, dtype=torch.int64)  # stands for zeros


def fill_shot_numbers(item: "Frames | Sighting | Motion") -> None:
    """Number every frame 0 where no shots are given."""
    if len(item.shot) != len(item.seconds):
        object.__setattr__(item, "shot", torch.zeros_like(item.seconds, dtype=torch.int64))


@dataclass(frozen=True)
class Frames(Batched):
    """Consecutive video frames on the CPU. Four channels are RGB and straight (not premultiplied) alpha."""

    data: UInt8[Tensor, "T C H W"]
    seconds: Float[Tensor, " T"]
    shot: Int[Tensor, " T"] = ONE_SHOT  # grows by one at each cut

    def __post_init__(self) -> None:
        fill_shot_numbers(self)


@dataclass(frozen=True)
class Body(Batched):
    """Pose and shape of a body model: joint rotations and shape coefficients."""

    pose: Float[Tensor, "B J 3 3"]
    shape: Float[Tensor, "B S"]


@dataclass(frozen=True)
class Camera(Batched):
    """Pinhole camera, and the body root's position in front of it.

    An image point is `focal * (x, y) / z + centre`.
    """

    focal: Float[Tensor, "B 2"]
    centre: Float[Tensor, "B 2"]
    place: Float[Tensor, "B 3"]


@dataclass(frozen=True)
class Sighting(Batched):
    """Landmarks and masks of one person over consecutive frames, as the pose network found them.

    The score is 0 in frames where the person was not found.
    """

    points: Float[Tensor, "T K 2"]  # image points
    world: Float[Tensor, "T K 3"]  # metres from the mid-hip, in the axes of a camera facing the person
    visible: Float[Tensor, "T K"]
    score: Float[Tensor, " T"]
    crop: Float[Tensor, "T 2 3"]  # affine map from the mask's image points to the frame's
    mask: UInt8[Tensor, "T M M"]  # 0 to 255: probability of the person
    seconds: Float[Tensor, " T"]
    shot: Int[Tensor, " T"] = ONE_SHOT  # of the frames

    def __post_init__(self) -> None:
        fill_shot_numbers(self)


@dataclass(frozen=True)
class Motion(Batched):
    """A body and a camera per frame, as an estimator recovered them."""

    body: Body
    camera: Camera
    confidence: Float[Tensor, " B"]  # 1: certain; 0: not seen, the pose is held or interpolated
    seconds: Float[Tensor, " B"]
    shot: Int[Tensor, " B"] = ONE_SHOT  # of the driver's clip

    def __post_init__(self) -> None:
        fill_shot_numbers(self)


@dataclass(frozen=True)
class Raster(Batched):
    """For each pixel centre: the visible face (-1 for none), the barycentric weights on it, and the depth."""

    face: Int[Tensor, "B H W"]
    weights: Float[Tensor, "B H W 3"]
    depth: Float[Tensor, "B H W"]  # infinite where face is -1


@dataclass(frozen=True)
class View(Batched):
    """A posed body seen by a camera: all that a generator may know about the target."""

    corners: Float[Tensor, "B F 3 3"]  # image x, image y, depth in metres
    joints: Float[Tensor, "B J 2"]
    raster: Raster


@dataclass(frozen=True)
class Source(Batched):
    """A person in one or more photos of the same size, with the fitted body; prepared once."""

    image: Float[Tensor, "N 3 H W"]
    matte: Float[Tensor, "N 1 H W"]  # alpha of the person
    background: Float[Tensor, "N 3 H W"]  # the photos with the person inpainted
    body: Body
    camera: Camera
    view: View  # the fitted body in the photos; its raster may have any size


@dataclass(frozen=True)
class Draft(Batched):
    """An avatar as networks see it: drawn small, in a window around the person."""

    colour: Float[Tensor, "B 3 H W"]  # premultiplied by the cover
    cover: Float[Tensor, "B 1 H W"]
    flow: Float[Tensor, "B H W 2"]  # the image point of the photo at each pixel; outside the image where there is none
    seen: Float[Tensor, "B 1 H W"]  # 1 where the photo shows that point, and no other part of the avatar hides it
    position: Float[Tensor, "B 3 H W"]  # position on the body, as of `geometry.view.body_position_map`


@dataclass(frozen=True)
class Drawn(Batched):
    """A picture of a person, or of each view of a batch."""

    colour: Float[Tensor, "*B 3 H W"]  # straight: not multiplied by the cover
    cover: Float[Tensor, "*B 1 H W"]  # alpha of the person


@dataclass(frozen=True)
class Skin:
    """Template mesh, shape directions and weights of a body deformed by linear blend skinning."""

    template: Float[Tensor, "V 3"]
    shape_dirs: Float[Tensor, "S V 3"]
    joints: Float[Tensor, "J 3"]
    joint_dirs: Float[Tensor, "S J 3"]
    weights: Float[Tensor, "V J"]
    parents: tuple[int, ...]  # -1 for the root, which is first; parents precede their children


@runtime_checkable
class BodyModel(Protocol):
    """A body with a fixed mesh topology.

    Shape coefficients are standard normal over the adults that the model was built from.
    """

    name: str
    skin: Skin
    joint_names: tuple[str, ...]
    controls: dict[str, tuple[int, ...]]  # 18 named bends, each spread evenly over a chain of joints
    relaxed: Tensor  # [J, 3, 3], the rest pose with relaxed hands
    faces: Tensor  # [F, 3]
    uv: Tensor  # [F, 3, 2], texture coordinates of the faces' corners, in [0, 1]
    parts: Tensor  # [F], DensePose part, 1 to 24
    iuv: Tensor  # [F, 3, 2], DensePose (u, v) within the part, in [0, 1]
    mirror_vertices: Tensor  # [V], the mirror image of each vertex
    mirror_faces: Tensor  # [F], the mirror image of each face
    keypoint_offsets: tuple[
        Tensor, Tensor
    ]  # [33, 3] offsets from "blazepose33" to the network's landmarks; [33] joints they move with
    proxy_vertices: Tensor  # [P], a subset of vertices that approximates the mesh
    proxy_faces: Tensor  # [Q, 3], faces between the proxy vertices

    def __call__(self, body: Body) -> tuple[Tensor, Tensor]:
        """Return vertices [B, V, 3] and joints [B, J, 3] in body space."""

    def keypoints(self, name: str) -> Tensor:
        """Return [K, V] weights that blend vertices into keypoints: "coco17", "openpose18" or "blazepose33"."""


@runtime_checkable
class Estimator(Protocol):
    """Finds and tracks people in video frames: `LandmarkEstimator`, or whatever takes its place."""

    def __call__(self, frames: Frames) -> list[Sighting]:
        """Return one Sighting per person, which spans all the frames; one with a score of 0 if there is nobody."""


CodeT = TypeVar("CodeT")


@runtime_checkable
class Generator(Protocol[CodeT]):
    """Generates the appearance of a person for a target view.

    Built for one body model. Knows no camera, file path or device.
    """

    def encode(self, source: Source) -> CodeT:
        """Compute what `draw` needs from the photos; called once per person."""

    def draw(self, code: CodeT, target: View) -> Drawn:
        """Generate each view of the batch. The result for a view must not depend on the rest of the batch."""


Rasterizer = Callable[[Tensor, tuple[int, int]], Raster]  # face corners [B, F, 3, 3], (height, width)
