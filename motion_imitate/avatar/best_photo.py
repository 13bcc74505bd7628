"""Several photos of one person: each frame shows the avatar of the photo that saw the trunk most as the frame does."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from motion_imitate.avatar.avatar import Avatar
from motion_imitate.avatar.draw import draw_avatar_into
from motion_imitate.avatar.pose import pose_avatar
from motion_imitate.bodies.skinning import joint_places, local_to_global, rest_shape
from motion_imitate.geometry.camera import body_to_camera, camera_to_image, flip_camera_axes
from motion_imitate.types import BodyModel, Camera, Motion

FADE_ANGLE = 10.0  # degrees by which one photo must be nearer than another to be shown alone
LEAST_SHARE = 1 / 512  # of a picture's colours, below which it is not drawn


# draws over a picture, in place: the number of an avatar, that avatar with the source points of its pose, and its
# vertices in the space of the camera
DrawPosed = Callable[[Tensor, int, Avatar, Tensor, Camera], None]


def draw_posed_into(
    picture: UInt8[Tensor, "H W C"], _: int, avatar: Avatar, vertices: Float[Tensor, "V 3"], camera: Camera
) -> None:
    """Draw a posed avatar over a picture, in place."""
    draw_avatar_into(picture, avatar, camera_to_image(vertices[None], camera)[0])


def draw_best_photo_into(
    picture: UInt8[Tensor, "H W C"],
    avatars: Sequence[Avatar],
    model: BodyModel,
    motion: Motion,
    draw: DrawPosed = draw_posed_into,
) -> None:
    """Draw a frame of a motion over a picture, in place; between two photos the picture fades from one to the other."""
    chosen = choose_photos(avatars, model, motion)
    layers = [picture] + [picture.clone() for _ in chosen[1:]]
    for layer, (number, _) in zip(layers, chosen, strict=True):
        avatar = avatars[number]
        posed = pose_avatar(avatar, model, motion.body, motion.camera)
        draw(layer, number, posed.dress(avatar), posed.vertices[0], motion.camera)
    if len(chosen) > 1:
        picture.copy_(mix_pictures(layers, [share for _, share in chosen]))


def choose_photos(avatars: Sequence[Avatar], model: BodyModel, motion: Motion) -> list[tuple[int, float]]:
    """The numbers of the photos that a frame shows, and their shares."""
    shares = photo_shares(avatars, model, motion)
    return [(number, share) for number, share in enumerate(shares) if share > LEAST_SHARE]


def photo_shares(avatars: Sequence[Avatar], model: BodyModel, motion: Motion) -> list[float]:
    """How much of each photo a frame shows; they sum to 1."""
    if len(avatars) == 1:
        return [1.0]
    trunk = model.controls["spine_high"][0]
    turns = local_to_global(motion.body.pose, model.skin.parents)
    places = joint_places(turns, rest_shape(model.skin, motion.body.shape)[1], model.skin.parents)
    seen = trunk_view(turns[0, trunk], body_to_camera(places, motion.camera)[0, trunk])
    views = torch.stack([avatar.photo_view for avatar in avatars])
    angles = torch.rad2deg(torch.acos((views @ seen).clamp(-1, 1)))
    nearness = (1 - (angles - angles.min()) / FADE_ANGLE).clamp(min=0)
    weights = nearness.square() * (3 - 2 * nearness)
    return [float(share) for share in weights / weights.sum()]


def trunk_view(turn: Float[Tensor, "3 3"], place: Float[Tensor, "3"]) -> Float[Tensor, "3"]:
    """The direction from which a camera sees a trunk, at rest, given its turn and its place in camera space."""
    return F.normalize(turn.mT @ flip_camera_axes(place), dim=0)


def mix_pictures(pictures: Sequence[UInt8[Tensor, "H W C"]], shares: Sequence[float]) -> UInt8[Tensor, "H W C"]:
    """The mean of pictures by shares; with 4 channels, of colours with straight alpha."""
    mixed = torch.zeros(pictures[0].shape, dtype=torch.float32, device=pictures[0].device)
    for picture, share in zip(pictures, shares, strict=True):
        weighted = picture.float() * share
        if picture.shape[2] == 4:
            weighted[..., :3] *= picture[..., 3:] / 255
        mixed += weighted
    if mixed.shape[2] == 4:
        mixed[..., :3] *= 255 / mixed[..., 3:].clamp(min=1e-3)
    return (mixed + 0.5).clamp(max=255).to(torch.uint8)
