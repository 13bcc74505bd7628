"""An avatar for renderers that know nothing but textured, skinned meshes.

They have four joints per vertex, sort surfaces by depth alone, and read one place of the texture per vertex.
"""

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motion_imitate.avatar.avatar import Avatar, TurningVertices
from motion_imitate.avatar.draw import FACE_INDEX, ScreenFaces, nearest_faces_per_sample, place_faces
from motion_imitate.avatar.pose import avatar_moves
from motion_imitate.geometry.camera import body_to_camera, camera_to_image, flip_camera_axes
from motion_imitate.geometry.mesh import mesh_edges
from motion_imitate.types import Body, BodyModel, Camera

FEW_JOINTS = 4  # per vertex
FLANK_SHARE = 0.5  # of the way from the colours of the front view to those of the side view
ORDER_SIZE = 400  # pixels of the longer side at which it is seen which layer hides which
LEAST_DEPTH = 0.0005  # metres by which a layer must be behind another, to be moved
ORDER_GAP = 0.003  # metres from a layer to those that it hides
MOST_SHIFT = 0.15  # metres
SHIFT_SLOPE = 0.5  # metres that a shift may change over a metre of the surface
SHIFT_ROUNDS = 40
SAME_PLACE = 0.02  # pixels between vertices of one layer that move together, such as those of its front and its back


@torch.no_grad()
def make_portable(avatar: Avatar, model: BodyModel, body: Body, camera: Camera, size: tuple[int, int]) -> Avatar:
    """The avatar with at most `FEW_JOINTS` joints per vertex, without biases and turning flanks. `body`, `camera` and
    (height, width) are those of the photo, in whose pose vertices stay where they are seen.

    Layers share no vertices. Where a bias decides what the photo shows in front, layers are moved along the lines of
    sight instead.
    """
    avatar, layer = split_layers(mix_flanks(avatar))
    moves = avatar_moves(avatar, model, body)[0].double()
    placed = body_to_camera(place_points(avatar, avatar.rest.double(), moves)[None], camera)[0]
    scale = ORDER_SIZE / max(size)
    small = (round(size[0] * scale), round(size[1] * scale))
    shift = find_layer_shifts(avatar, layer, camera_to_image(placed[None].float(), camera)[0], placed.float(), small)
    placed = placed * (1 - shift / placed[:, 2])[:, None]
    weights, order = avatar.weights.topk(FEW_JOINTS, dim=1)
    few = replace(
        avatar,
        joints=avatar.joints.gather(1, order),
        weights=weights / weights.sum(1, keepdim=True),
        bias=torch.zeros_like(avatar.bias),
    )
    posed = flip_camera_axes(placed - camera.place[0].double())
    return replace(few, rest=unplace_points(few, posed, moves, avatar.rest))


def mix_flanks(avatar: Avatar) -> Avatar:
    """The avatar with flanks that do not turn."""
    source, flanks = avatar.source.clone(), avatar.flanks
    source[flanks.vertices] = source[flanks.vertices].lerp(flanks.source, FLANK_SHARE)
    return replace(avatar, source=source, flanks=TurningVertices.none())


def split_layers(avatar: Avatar) -> tuple[Avatar, Int[Tensor, " V"]]:
    """The avatar with vertices of their own for each layer, and the layer of each vertex."""
    count = len(avatar.rest)
    used, faces = (avatar.layer[:, None] * count + avatar.faces).unique(return_inverse=True)
    vertices = used % count
    own = {name: getattr(avatar, name)[vertices] for name in ("rest", "joints", "weights", "source")}
    return replace(avatar, faces=faces, **own), used // count


def mix_moves(avatar: Avatar, moves: Float[Tensor, "M 3 4"]) -> Float[Tensor, "V 3 4"]:
    """How each vertex moves."""
    return torch.einsum("vk,vkab->vab", avatar.weights.to(moves), moves[avatar.joints])


def place_points(
    avatar: Avatar, rest: Float[Tensor, "V 3"], moves: Float[Tensor, "M 3 4"]
) -> Float[Tensor, "V 3"]:
    """Where vertices are in body space."""
    mixed = mix_moves(avatar, moves)
    return (mixed[..., :3] @ rest[..., None])[..., 0] + mixed[..., 3]


def unplace_points(
    avatar: Avatar, posed: Float[Tensor, "V 3"], moves: Float[Tensor, "M 3 4"], rest: Float[Tensor, "V 3"]
) -> Float[Tensor, "V 3"]:
    """Inverse of `place_points`; `rest` for vertices that are shrunk to a point."""
    mixed = mix_moves(avatar, moves)
    linear, away = mixed[..., :3], posed - mixed[..., 3]
    shrunk = (torch.linalg.det(linear) < 1e-3)[:, None]
    back = torch.linalg.solve(torch.where(shrunk[..., None], torch.eye(3).to(linear), linear), away[..., None])[..., 0]
    return torch.where(shrunk, rest, back.to(rest))


def find_layer_shifts(
    avatar: Avatar,
    layer: Int[Tensor, " V"],
    seen: Float[Tensor, "V 3"],
    placed: Float[Tensor, "V 3"],
    size: tuple[int, int],
) -> Float[Tensor, " V"]:
    """Metres by which vertices must be nearer, so that depth alone decides as biases do. `seen` are image points and
    depths of the vertices, `placed` is where they are in camera space.

    Of two layers the one with the stronger bias moves, with its surface around as stiff as `SHIFT_SLOPE` says.
    """
    plain = replace(avatar, bias=torch.zeros_like(avatar.bias))
    biased, screen = place_faces(avatar, seen, size), place_faces(plain, seen, size)
    if biased is None or screen is None:
        return torch.zeros(len(layer))
    front, first = (nearest_faces_per_sample(*each)[0] for each in ((avatar, biased), (plain, screen)))
    row, column = ((front > 0) & (first > 0)).nonzero(as_tuple=True)
    front, first = (len(avatar.faces) - 1 - (keys[row, column] & FACE_INDEX) for keys in (front, first))
    at = torch.stack([column, row], 1) + 0.5
    gap = depth_on_faces(screen, front, at) - depth_on_faces(screen, first, at)
    wrong = (avatar.layer[front] != avatar.layer[first]) & (gap > LEAST_DEPTH)
    front, first, gap = front[wrong], first[wrong], (gap[wrong] + ORDER_GAP).clamp(max=MOST_SHIFT)
    forward = avatar.bias[avatar.layer[front]].abs() >= avatar.bias[avatar.layer[first]].abs()
    moved = torch.where(forward, front, first)
    shift = torch.zeros(len(layer))
    shift.scatter_reduce_(0, avatar.faces[moved].flatten(), gap.repeat_interleave(3), "amax")
    shift = spread_shifts(shift, avatar.faces, placed, group_by_place(layer, seen, size))
    return torch.where(avatar.bias[layer] < 0, -shift, shift)


def depth_on_faces(screen: ScreenFaces, faces: Int[Tensor, " N"], at: Float[Tensor, "N 2"]) -> Float[Tensor, " N"]:
    """Depths of faces at samples."""
    planes = screen.planes[faces]
    over, down = (at - planes[:, :2]).unbind(1)
    return 1 / (planes[:, 2] + planes[:, 5] * over + planes[:, 8] * down)


def group_by_place(
    layer: Int[Tensor, " V"], seen: Float[Tensor, "V 3"], size: tuple[int, int]
) -> Int[Tensor, " V"]:
    """Numbers that are the same for vertices of one layer that are seen at one place."""
    pixels = (seen[:, :2] * seen.new_tensor([size[1] / 2, size[0] / 2]) / SAME_PLACE).round().long()
    return torch.cat([layer[:, None], pixels], 1).unique(dim=0, return_inverse=True)[1]


def spread_shifts(
    shift: Float[Tensor, " V"],
    faces: Int[Tensor, "F 3"],
    placed: Float[Tensor, "V 3"],
    group: Int[Tensor, " V"],
) -> Float[Tensor, " V"]:
    """Shifts that change by no more than `SHIFT_SLOPE` along edges, and not within a group."""
    a, b = mesh_edges(faces).T
    drop = SHIFT_SLOPE * (placed[a] - placed[b]).norm(dim=1)
    for _ in range(SHIFT_ROUNDS):
        wide = shift.scatter_reduce(0, a, shift[b] - drop, "amax").scatter_reduce(0, b, shift[a] - drop, "amax")
        shift = torch.zeros(int(group.max()) + 1).scatter_reduce(0, group, wide, "amax")[group]
    return shift
