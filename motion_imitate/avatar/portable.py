"""An avatar for renderers that know nothing but textured, skinned meshes.

They have four joints per vertex, sort surfaces by depth alone, and read one place of the texture per vertex.
"""

from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motion_imitate.avatar.avatar import Avatar, ContactFaces, HeadFaces, RimVertices, TurningVertices
from motion_imitate.avatar.draw import FACE_INDEX, ScreenFaces, nearest_faces_per_sample, place_faces
from motion_imitate.avatar.layer_order import COVERED_LEG
from motion_imitate.avatar.photo_layers import LEG_LAYERS, TRUNK
from motion_imitate.avatar.pose import avatar_moves, pose_avatar
from motion_imitate.geometry.camera import body_to_camera, camera_to_image, flip_camera_axes
from motion_imitate.geometry.mesh import mesh_edges
from motion_imitate.types import Body, BodyModel, Camera

FEW_JOINTS = 4  # per vertex
HEM_RINGS = 3  # faces of a leg that go on beneath a skirt
ORDER_SIZE = 300  # pixels of the longer side at which it is seen which layer hides which
LEAST_DEPTH = 0.0005  # metres by which a layer must be behind another, to be moved
ORDER_GAP = 0.003  # metres from a layer to those that it hides
AWAY_SLOPE = 2.0  # metres per metre of the surface, that what is hidden may bend away
ROOM_SLOPE = 1.0  # the same of the space into which it may bend, behind the layer's own back
MOST_NEARER = 0.05  # metres by which a layer may come nearer
NEARER_SLOPE = 0.5
SPREAD_ROUNDS = 30
SAME_PLACE = 0.02  # pixels between vertices of one layer that move together, such as those of its front and its back


@torch.no_grad()
def make_portable(avatar: Avatar, model: BodyModel, body: Body, camera: Camera, size: tuple[int, int]) -> Avatar:
    """The avatar with at most `FEW_JOINTS` joints per vertex, without biases, and with colours that do not change.
    `body`, `camera` and (height, width) are those of the photo, in whose pose vertices stay where they are seen.

    Layers share no vertices. Where a bias decides what the photo shows in front, layers are moved along the lines of
    sight instead.
    """
    seen = camera_to_image(pose_avatar(avatar, model, body, camera).vertices, camera)[0, :, :2]
    still = replace(turn_back_flanks(avatar, seen), contacts=ContactFaces.none(), rim=RimVertices.none())
    avatar, layer = split_layers(drop_covered_legs(show_back_of_head(still)))
    moves = avatar_moves(avatar, model, body).joints[0].double()
    placed = body_to_camera(place_points(avatar, avatar.rest.double(), moves)[None], camera)[0]
    placed = order_layers(avatar, layer, placed, camera, size)
    weights, order = avatar.weights.topk(FEW_JOINTS, dim=1)
    few = replace(
        avatar,
        joints=avatar.joints.gather(1, order),
        weights=weights / weights.sum(1, keepdim=True),
        bias=torch.zeros_like(avatar.bias),
    )
    posed = flip_camera_axes(placed - camera.place[0].double())
    return replace(few, rest=unplace_points(few, posed, moves, avatar.rest))


def show_back_of_head(avatar: Avatar) -> Avatar:
    """The avatar whose head always has the colours of the head all round where the photo does not show it."""
    count = len(avatar.rest)
    behind = avatar.thick[avatar.head.faces] & (avatar.photo[avatar.head.faces] != TRUNK)
    head = replace(avatar.head, faces=avatar.head.faces[behind], source=avatar.head.source[behind])
    own = avatar.faces[head.faces].flatten()
    rest, joints, weights = (torch.cat([each, each[own]]) for each in (avatar.rest, avatar.joints, avatar.weights))
    faces, photo = avatar.faces.clone(), avatar.photo.clone()
    faces[head.faces] = count + torch.arange(len(own)).view(-1, 3)
    photo[head.faces] = head.photo
    source = torch.cat([avatar.source, head.source.flatten(0, 1)])
    return replace(
        avatar,
        rest=rest,
        joints=joints,
        weights=weights,
        faces=faces,
        photo=photo,
        source=source,
        head=HeadFaces.none(),
    )


def turn_back_flanks(avatar: Avatar, seen: Float[Tensor, "V 2"]) -> Avatar:
    """The avatar with flanks that do not turn: the front's stay as in the photo, where vertices are `seen` at image
    points; the back's are always as from the side."""
    a, b, c = seen[avatar.faces].unbind(1)
    backwards = (b - a)[:, 0] * (c - a)[:, 1] < (b - a)[:, 1] * (c - a)[:, 0]  # fronts are triangulated clockwise
    back = torch.zeros(len(seen), dtype=torch.bool)
    back[avatar.faces[backwards & avatar.thick]] = True
    source, flanks = avatar.source.clone(), avatar.flanks
    turned = back[flanks.vertices]
    source[flanks.vertices[turned]] = flanks.source[turned]
    return replace(avatar, source=source, flanks=TurningVertices.none())


def drop_covered_legs(avatar: Avatar) -> Avatar:
    """The avatar without legs beneath a skirt, which would come through it, but for what is near its hem."""
    covered = avatar.layer == COVERED_LEG
    near = ~covered & torch.isin(avatar.layer, torch.tensor(LEG_LAYERS))
    for _ in range(HEM_RINGS):
        reached = torch.zeros(len(avatar.rest), dtype=torch.bool)
        reached[avatar.faces[near]] = True
        near = near | (covered & reached[avatar.faces].any(1))
    kept = near | ~covered
    return replace(
        avatar, **{name: getattr(avatar, name)[kept] for name in ("faces", "photo", "layer", "thick", "solid")}
    )


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


def place_points(avatar: Avatar, rest: Float[Tensor, "V 3"], moves: Float[Tensor, "M 3 4"]) -> Float[Tensor, "V 3"]:
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


class LayerSurface(NamedTuple):
    """How the vertices of an avatar hang together."""

    layer: Int[Tensor, " V"]
    group: Int[Tensor, " V"]  # numbers that are the same for vertices of one layer that are seen at one place
    edges: Int[Tensor, "E 2"]
    length: Float[Tensor, " E"]


def order_layers(
    avatar: Avatar, layer: Int[Tensor, " V"], placed: Float[Tensor, "V 3"], camera: Camera, size: tuple[int, int]
) -> Float[Tensor, "V 3"]:
    """Where vertices in camera space must be, so that depth alone hides what biases hide in the photo; and what stays
    hidden beneath a skirt, as seen from behind too. All are moved along the lines of sight."""
    scale = ORDER_SIZE / max(size)
    small = (round(size[0] * scale), round(size[1] * scale))
    seen = camera_to_image(placed[None].float(), camera)[0]
    pixels = (seen[:, :2] * seen.new_tensor([size[1] / 2, size[0] / 2]) / SAME_PLACE).round().long()
    group = torch.cat([layer[:, None], pixels], 1).unique(dim=0, return_inverse=True)[1]
    edges = mesh_edges(avatar.faces)
    length = (placed[edges[:, 0]] - placed[edges[:, 1]]).norm(dim=1).float()
    surface = LayerSurface(layer, group, edges, length)
    at, depth = seen[:, :2], seen[:, 2]
    turned = 2 * depth.mean()
    beneath = replace(avatar, bias=avatar.bias.clamp(max=0))
    depth = order_depths(avatar, surface, at, depth, small, MOST_NEARER)
    depth = turned - order_depths(beneath, surface, at, turned - depth, small, 0.0)
    depth = order_depths(avatar, surface, at, depth, small, 0.0)
    return placed * (depth / seen[:, 2])[:, None]


def order_depths(
    avatar: Avatar,
    surface: LayerSurface,
    at: Float[Tensor, "V 2"],
    depth: Float[Tensor, " V"],
    size: tuple[int, int],
    most: float,
) -> Float[Tensor, " V"]:
    """Depths of vertices seen `at` image points, so that what biases hide is behind.

    What is hidden bends away, no farther than its layer is deep around. Where that does not suffice, what hides it
    comes nearer, by at most `most`. Both take their surroundings along.
    """
    layer, group, edges, length = surface
    front, behind, gap = find_wrong_order(avatar, torch.cat([at, depth[:, None]], 1), size)

    def of_faces(faces: Int[Tensor, " N"], shift: Float[Tensor, " N"]) -> Float[Tensor, " V"]:
        return torch.zeros(len(depth)).scatter_reduce(
            0, avatar.faces[faces].flatten(), shift.repeat_interleave(3), "amax"
        )

    nearest = -most_of_group(-depth, group)
    deep = spread_values(depth, edges, length * ROOM_SLOPE, group)
    room = torch.where(layer == COVERED_LEG, most_of_group(depth, group), deep) - nearest
    away = spread_values(of_faces(behind, gap), edges, length * AWAY_SLOPE, group).minimum(room)
    left = (gap - away[avatar.faces[behind]].amin(1)).clamp(0, most)
    nearer = spread_values(of_faces(front, left), edges, length * NEARER_SLOPE, group)
    return depth.maximum(nearest + away) - nearer


def find_wrong_order(
    avatar: Avatar, seen: Float[Tensor, "V 3"], size: tuple[int, int]
) -> tuple[Int[Tensor, " N"], Int[Tensor, " N"], Float[Tensor, " N"]]:
    """Faces that biases put in front, those of other layers that are nearer, and by how many metres, at some points of
    a picture. `seen` are image points and depths of the vertices."""
    plain = replace(avatar, bias=torch.zeros_like(avatar.bias))
    biased, screen = place_faces(avatar, seen, size), place_faces(plain, seen, size)
    if biased is None or screen is None:
        raise ValueError("the photo shows none of the avatar")
    front, first = (torch.maximum(*nearest_faces_per_sample(*each)) for each in ((avatar, biased), (plain, screen)))
    row, column = ((front > 0) & (first > 0)).nonzero(as_tuple=True)
    front, first = (len(avatar.faces) - 1 - (keys[row, column] & FACE_INDEX) for keys in (front, first))
    at = torch.stack([column, row], 1) + 0.5
    gap = depth_on_faces(screen, front, at) - depth_on_faces(screen, first, at)
    wrong = (avatar.layer[front] != avatar.layer[first]) & (gap > LEAST_DEPTH)
    return front[wrong], first[wrong], gap[wrong] + ORDER_GAP


def depth_on_faces(screen: ScreenFaces, faces: Int[Tensor, " N"], at: Float[Tensor, "N 2"]) -> Float[Tensor, " N"]:
    """Depths of faces at samples."""
    planes = screen.planes[faces]
    over, down = (at - planes[:, :2]).unbind(1)
    return 1 / (planes[:, 2] + planes[:, 5] * over + planes[:, 8] * down)


def most_of_group(values: Float[Tensor, " V"], group: Int[Tensor, " V"]) -> Float[Tensor, " V"]:
    """The largest value of each vertex' group."""
    least = torch.full((int(group.max()) + 1,), -torch.inf)
    return least.scatter_reduce(0, group, values, "amax")[group]


def spread_values(
    values: Float[Tensor, " V"], edges: Int[Tensor, "E 2"], drop: Float[Tensor, " E"], group: Int[Tensor, " V"]
) -> Float[Tensor, " V"]:
    """Values raised so that they drop by no more than `drop` along edges, and not within a group."""
    a, b = edges.T
    for _ in range(SPREAD_ROUNDS):
        wide = values.scatter_reduce(0, a, values[b] - drop, "amax").scatter_reduce(0, b, values[a] - drop, "amax")
        values = most_of_group(wide, group)
    return values
