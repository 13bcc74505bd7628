"""Model clothes and hair as vertex displacements that match the body's silhouette to the person's in photos."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import grid_sample

from motion_imitate.bodies.parts import ARM_PARTS
from motion_imitate.bodies.skinning import SkinnedBody, rest_shape
from motion_imitate.geometry.camera import body_to_camera, camera_to_image
from motion_imitate.geometry.mesh import mesh_edges, solve_vertex_values, vertex_normals
from motion_imitate.geometry.raster import rasterize
from motion_imitate.types import Body, Camera


@dataclass(frozen=True)
class Dressing:
    """Limits and weights of the fit of clothes to silhouettes."""

    out: float = 0.12  # metres; maximum distance of clothes from the skin
    shoe: float = 0.03  # metres; the same for shoes
    into: float = 0.02  # metres; maximum inward displacement
    sleeve: float = 0.01  # margin around forearms and hands counted as theirs, as a share of the longer side
    rim: float = 0.012  # maximum distance of a silhouette vertex from the silhouette, as a share of the longer side
    grazing: float = 0.5  # maximum cosine between the normal and the line of sight for a silhouette vertex
    firm: float = 10.0  # weight of silhouette vertices
    stiff: float = 6.0  # weight of smoothness between neighbouring vertices
    twins: float = 0.3  # weight of symmetry between mirrored vertices
    still: float = 0.2  # weight that pulls displacements to zero
    steps: int = 4
    size: int = 640  # pixels of the longer side at which silhouettes are compared


def dress_body(
    model: SkinnedBody, body: Body, camera: Camera, mattes: Float[Tensor, "N 1 H W"], how: Dressing = Dressing()
) -> SkinnedBody:
    """Displace the template along its normals to match the mattes; hands and face are left as they are."""
    pairs = mesh_edges(model.faces)
    twins = torch.stack([torch.arange(len(model.mirror_vertices)), model.mirror_vertices], 1)
    twins = twins[twins[:, 0] < twins[:, 1]]
    stiff = torch.cat([torch.full((len(pairs),), how.stiff), torch.full((len(twins),), how.twins)])
    pairs = torch.cat([pairs, twins])
    outward = vertex_normals(rest_shape(model.skin, body.shape[:1])[0], model.faces)[0]
    bare = bare_vertices(model)
    out = torch.where(region_vertices(model, "feet"), how.shoe, how.out)
    small = shrink_mattes(mattes, how.size)
    bump = torch.zeros(len(outward))
    for _ in range(how.steps):
        off, weight = measure_outline_gaps(add_vertex_bumps(model, outward * bump[:, None]), body, camera, small, how)
        goal = torch.minimum((bump + off).clamp(min=-how.into), out)
        goal = torch.where(bare, 0.0, goal * weight / (weight + how.still))
        weight = torch.where(bare, 5.0, weight + how.still)
        bump = solve_vertex_values(pairs, goal[:, None], weight, stiff)[:, 0].float().clamp(-how.into, how.out)
    clothes = outward * bump[:, None]
    return replace(add_vertex_bumps(model, clothes), clothes=clothes)


def undress_body(model: SkinnedBody) -> SkinnedBody:
    """The model as it was before `dress_body`."""
    return model if model.clothes is None else replace(add_vertex_bumps(model, -model.clothes), clothes=None)


def add_vertex_bumps(model: SkinnedBody, bumps: Float[Tensor, "V 3"]) -> SkinnedBody:
    """Add displacements to the model's template."""
    return replace(model, skin=replace(model.skin, template=model.skin.template + bumps))


def bare_vertices(model: SkinnedBody) -> Bool[Tensor, " V"]:
    """Vertices of the hands and the face, which are never displaced."""
    out = region_vertices(model, "hands")
    head = region_vertices(model, "head")
    place = model.skin.template
    low, high = place[head].amin(0), place[head].amax(0)
    in_front = place[:, 2] > low[2] + 0.55 * (high[2] - low[2])
    return out | (head & in_front & (place[:, 1] < low[1] + 0.75 * (high[1] - low[1])))


def region_vertices(model: SkinnedBody, region: str) -> Bool[Tensor, " V"]:
    """Vertices of a region's faces."""
    out = torch.zeros(len(model.skin.template), dtype=torch.bool)
    out[model.faces[model.regions[region]]] = True
    return out


def shrink_mattes(mattes: Float[Tensor, "N 1 H W"], longest: int) -> Float[Tensor, "N 1 h w"]:
    """Scale mattes down so that their longer side is at most `longest` pixels."""
    scale = min(1.0, longest / max(mattes.shape[-2:]))
    size = [max(1, round(side * scale)) for side in mattes.shape[-2:]]
    return torch.nn.functional.interpolate(mattes, size, mode="area")


def measure_outline_gaps(
    model: SkinnedBody, body: Body, camera: Camera, mattes: Float[Tensor, "N 1 h w"], how: Dressing
) -> tuple[Float[Tensor, " V"], Float[Tensor, " V"]]:
    """Distance in metres that each vertex should move outward for the silhouettes to meet, and its weight."""
    at = body_to_camera(model(body)[0], camera)
    seen = camera_to_image(at, camera)
    size = (mattes.shape[2], mattes.shape[3])
    half = at.new_tensor([size[1], size[0]]) / 2
    face = rasterize(seen[:, model.faces], size).face
    own, theirs = signed_distance((face >= 0).float()), signed_distance(mattes[:, 0])
    arms = torch.isin(model.parts, torch.tensor(ARM_PARTS))
    loose = torch.zeros(len(model.skin.template), dtype=torch.bool)
    loose[model.faces[arms]] = True
    apart = signed_distance(((face >= 0) & arms[face.clamp(min=0)]).float()) - how.sleeve * max(size)
    normal = vertex_normals(at, model.faces)
    grazing = ((normal * at).sum(-1) / at.norm(dim=-1)).abs()
    aim = at[..., :2] / at[..., 2:]
    flat = (normal[..., :2] - aim * normal[..., 2:]) * camera.focal[:, None] * half
    scale = flat.norm(dim=-1) / at[..., 2]  # pixels per metre of outward displacement
    direction = torch.nn.functional.normalize(flat, dim=-1)
    rim = how.rim * max(size)
    inside = (seen[..., :2].abs() < 0.98).all(-1)  # nothing is known beyond the image border
    on_rim = (sample_field(own, seen[..., :2]).abs() < rim) & (grazing < how.grazing) & inside & (scale > 1e-6)
    far, found = march_to_outline(
        theirs, own, torch.where(loose, 1e3, 0.0), apart, seen[..., :2], direction / half, how, scale
    )
    good = (on_rim & found).float() * (1 - grazing)
    off = (far * good / scale.clamp(min=1e-6)).sum(0) / good.sum(0).clamp(min=1e-6)
    return off, how.firm * good.sum(0).clamp(max=1)


def signed_distance(mask: Float[Tensor, "N h w"]) -> Float[Tensor, "N h w"]:
    """Signed distance in pixels to the mask's edge, negative inside."""
    out = []
    for inside in mask.numpy() > 0.5:
        outer = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 5)
        inner = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5)
        out.append(np.where(inside, 0.5 - inner, outer - 0.5).astype(np.float32))
    return torch.from_numpy(np.stack(out))


def sample_field(field: Float[Tensor, "N h w"], at: Float[Tensor, "N V 2"]) -> Float[Tensor, "N V"]:
    """Sample a field bilinearly at image points."""
    return grid_sample(field[:, None], at[:, None], padding_mode="border", align_corners=False)[:, 0, 0]


def march_to_outline(
    theirs: Float[Tensor, "N h w"],
    own: Float[Tensor, "N h w"],
    free: Float[Tensor, " V"],
    apart: Float[Tensor, "N h w"],
    start: Float[Tensor, "N V 2"],
    step: Float[Tensor, "N V 2"],
    how: Dressing,
    scale: Float[Tensor, "N V"],
) -> tuple[Float[Tensor, "N V"], Bool[Tensor, "N V"]]:
    """Distance in pixels along each direction to the edge of the person's matte, and whether an edge was found.

    An edge does not count if another part of the body lies in between, since the clothes of the two may touch, nor
    where `apart` is below 0 by more than `free`: an arm may be there in the photo, though not in the fitted body.
    """
    first = sample_field(theirs, start)
    outward = first <= 0
    far, found, blocked = torch.zeros_like(first), torch.zeros_like(outward), torch.zeros_like(outward)
    before = first
    most = torch.where(outward, how.out, 2 * how.into) * scale
    sign = torch.where(outward, 1.0, -1.0)
    clear = how.rim * max(theirs.shape[1:]) * 1.5
    for pixels in range(1, int(most.max().clamp(max=400)) + 2):
        at = start + step * (sign * pixels)[..., None]
        now = sample_field(theirs, at)
        blocked |= sample_field(apart, at) + free < 0
        blocked |= outward & ~found & (pixels > clear) & (sample_field(own, at) < -1)
        crossed = ~found & ((now > 0) == outward) & (pixels <= most + 1)
        part = before.abs() / (before.abs() + now.abs()).clamp(min=1e-6)
        far = torch.where(crossed, sign * (pixels - 1 + part), far)
        found |= crossed
        before = now
    return far, found & ~blocked
