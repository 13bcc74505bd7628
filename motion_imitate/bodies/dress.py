"""Clothes and hair as bumps of the naked body: its outline is brought to the outline of the person in photos."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import grid_sample

from motion_imitate.bodies.parts import ARMS
from motion_imitate.bodies.skinning import Skinned, rest_shape
from motion_imitate.geometry.camera import to_camera, to_image
from motion_imitate.geometry.mesh import between, edges, vertex_normals
from motion_imitate.geometry.raster import rasterize
from motion_imitate.types import Body, Camera


@dataclass(frozen=True)
class Dressing:
    out: float = 0.12  # metres that clothes may stand off the skin, at most
    shoe: float = 0.03  # and shoes
    into: float = 0.02  # and the skin be drawn in
    sleeve: float = 0.01  # round forearms and hands, in parts of the picture's longer side: what is there is theirs
    rim: float = 0.012  # how near to the body's outline a vertex counts as on it, in parts of the picture's longer side
    grazing: float = 0.5  # largest cosine between a normal and the line of sight there
    firm: float = 10.0  # how much the rim's word counts
    stiff: float = 6.0  # how much a bump spreads to its neighbours
    twins: float = 0.3  # and to its twin on the other side
    still: float = 0.2  # how much the skin keeps to itself where no photo says a thing
    steps: int = 4
    size: int = 640  # pixels of the longer side at which outlines are compared


def dress(
    model: Skinned, body: Body, camera: Camera, mattes: Float[Tensor, "N 1 H W"], how: Dressing = Dressing()
) -> Skinned:
    """The model with a template that wears what the person in the photos does; hands and face stay bare."""
    pairs = edges(model.faces)
    twins = torch.stack([torch.arange(len(model.mirror_vertices)), model.mirror_vertices], 1)
    twins = twins[twins[:, 0] < twins[:, 1]]
    stiff = torch.cat([torch.full((len(pairs),), how.stiff), torch.full((len(twins),), how.twins)])
    pairs = torch.cat([pairs, twins])
    outward = vertex_normals(rest_shape(model.skin, body.shape[:1])[0], model.faces)[0]
    bare = stays(model)
    out = torch.where(within(model, "feet"), how.shoe, how.out)
    small = scaled(mattes, how.size)
    bump = torch.zeros(len(outward))
    for _ in range(how.steps):
        off, weight = gaps(worn(model, outward * bump[:, None]), body, camera, small, how)
        goal = torch.minimum((bump + off).clamp(min=-how.into), out)
        goal = torch.where(bare, 0.0, goal * weight / (weight + how.still))
        weight = torch.where(bare, 5.0, weight + how.still)
        bump = between(pairs, goal[:, None], weight, stiff)[:, 0].float().clamp(-how.into, how.out)
    return worn(model, outward * bump[:, None])


def worn(model: Skinned, bumps: Float[Tensor, "V 3"]) -> Skinned:
    return replace(model, skin=replace(model.skin, template=model.skin.template + bumps))


def stays(model: Skinned) -> Bool[Tensor, " V"]:
    """Hands and face."""
    out = within(model, "hands")
    head = within(model, "head")
    place = model.skin.template
    low, high = place[head].amin(0), place[head].amax(0)
    in_front = place[:, 2] > low[2] + 0.55 * (high[2] - low[2])
    return out | (head & in_front & (place[:, 1] < low[1] + 0.75 * (high[1] - low[1])))


def within(model: Skinned, region: str) -> Bool[Tensor, " V"]:
    out = torch.zeros(len(model.skin.template), dtype=torch.bool)
    out[model.faces[model.regions[region]]] = True
    return out


def scaled(mattes: Float[Tensor, "N 1 H W"], longest: int) -> Float[Tensor, "N 1 h w"]:
    scale = min(1.0, longest / max(mattes.shape[-2:]))
    size = [max(1, round(side * scale)) for side in mattes.shape[-2:]]
    return torch.nn.functional.interpolate(mattes, size, mode="area")


def gaps(
    model: Skinned, body: Body, camera: Camera, mattes: Float[Tensor, "N 1 h w"], how: Dressing
) -> tuple[Float[Tensor, " V"], Float[Tensor, " V"]]:
    """How many metres each vertex should move outward for the outlines to meet, and how much its word counts."""
    at = to_camera(model(body)[0], camera)
    seen = to_image(at, camera)
    size = (mattes.shape[2], mattes.shape[3])
    half = at.new_tensor([size[1], size[0]]) / 2
    face = rasterize(seen[:, model.faces], size).face
    own, theirs = signed((face >= 0).float()), signed(mattes[:, 0])
    arms = torch.isin(model.parts, torch.tensor(ARMS))
    loose = torch.zeros(len(model.skin.template), dtype=torch.bool)
    loose[model.faces[arms]] = True
    apart = signed(((face >= 0) & arms[face.clamp(min=0)]).float()) - how.sleeve * max(size)
    normal = vertex_normals(at, model.faces)
    grazing = ((normal * at).sum(-1) / at.norm(dim=-1)).abs()
    aim = at[..., :2] / at[..., 2:]
    flat = (normal[..., :2] - aim * normal[..., 2:]) * camera.focal[:, None] * half
    scale = flat.norm(dim=-1) / at[..., 2]  # pixels the outline moves for a metre outward
    direction = torch.nn.functional.normalize(flat, dim=-1)
    rim = how.rim * max(size)
    inside = (seen[..., :2].abs() < 0.98).all(-1)  # beyond the picture's edge nothing is known
    on_rim = (read(own, seen[..., :2]).abs() < rim) & (grazing < how.grazing) & inside & (scale > 1e-6)
    far, found = march(theirs, own, torch.where(loose, 1e3, 0.0), apart, seen[..., :2], direction / half, how, scale)
    good = (on_rim & found).float() * (1 - grazing)
    off = (far * good / scale.clamp(min=1e-6)).sum(0) / good.sum(0).clamp(min=1e-6)
    return off, how.firm * good.sum(0).clamp(max=1)


def signed(mask: Float[Tensor, "N h w"]) -> Float[Tensor, "N h w"]:
    """Pixels from the edge at one half, negative inside."""
    out = []
    for inside in mask.numpy() > 0.5:
        outer = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 5)
        inner = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5)
        out.append(np.where(inside, 0.5 - inner, outer - 0.5).astype(np.float32))
    return torch.from_numpy(np.stack(out))


def read(field: Float[Tensor, "N h w"], at: Float[Tensor, "N V 2"]) -> Float[Tensor, "N V"]:
    return grid_sample(field[:, None], at[:, None], padding_mode="border", align_corners=False)[:, 0, 0]


def march(
    theirs: Float[Tensor, "N h w"],
    own: Float[Tensor, "N h w"],
    free: Float[Tensor, " V"],
    apart: Float[Tensor, "N h w"],
    start: Float[Tensor, "N V 2"],
    step: Float[Tensor, "N V 2"],
    how: Dressing,
    scale: Float[Tensor, "N V"],
) -> tuple[Float[Tensor, "N V"], Bool[Tensor, "N V"]]:
    """Pixels along each direction to where the person ends, outward or inward; and whether that was found.

    Not found where another part of the body lies between: there clothes of the two meet. Nor where `apart` is below 0
    (by less than `free`): an arm may be there, though the body's is not.
    """
    first = read(theirs, start)
    outward = first <= 0
    far, found, blocked = torch.zeros_like(first), torch.zeros_like(outward), torch.zeros_like(outward)
    before = first
    most = torch.where(outward, how.out, 2 * how.into) * scale
    sign = torch.where(outward, 1.0, -1.0)
    clear = how.rim * max(theirs.shape[1:]) * 1.5
    for pixels in range(1, int(most.max().clamp(max=400)) + 2):
        at = start + step * (sign * pixels)[..., None]
        now = read(theirs, at)
        blocked |= read(apart, at) + free < 0
        blocked |= outward & ~found & (pixels > clear) & (read(own, at) < -1)
        crossed = ~found & ((now > 0) == outward) & (pixels <= most + 1)
        part = before.abs() / (before.abs() + now.abs()).clamp(min=1e-6)
        far = torch.where(crossed, sign * (pixels - 1 + part), far)
        found |= crossed
        before = now
    return far, found & ~blocked
