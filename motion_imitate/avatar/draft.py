"""Draw an avatar small for networks to correct, and draw it at the output's size with their corrections added."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d

from motion_imitate.avatar.avatar import Avatar
from motion_imitate.avatar.draft_numba import blend_changed, render_avatar_draft
from motion_imitate.avatar.draw import (
    AVATAR_RENDERERS,
    FACE_INDEX,
    avatar_arrays,
    blend_window,
    nearest_faces_per_sample,
    picture_window,
    place_faces,
    render_torch,
    texels_of_faces,
)
from motion_imitate.avatar.pose import PosedAvatar, pose_avatar
from motion_imitate.geometry.camera import NEAR_PLANE, camera_to_image
from motion_imitate.geometry.flow import OUTSIDE_IMAGE
from motion_imitate.geometry.raster import kernels_of_device
from motion_imitate.geometry.view import body_position_map, limit_raster_size, template_face_positions
from motion_imitate.types import BodyModel, Draft, Source, View

SHOWN_REACH = 2  # pixels by which what the photo shows is widened


@dataclass(frozen=True)
class DraftSettings:
    """Sizes of drafts and of what they read."""

    size: int = 256  # longer side, in pixels
    margin: float = 0.06  # around the person, as a fraction of the longer side of the box of their vertices
    texture: int = 384  # pixels of the person in the textures: finer ones would flicker, drawn so small
    shown: int = 768  # longer side at which `find_shown_textures` looks


@dataclass(frozen=True)
class DraftMaker:
    """What drafts of one person are made with."""

    avatar: Avatar  # with textures about as coarse as the draft
    shown: Bool[Tensor, "N h w"]  # for each texture, where the photo shows it
    positions: Float[Tensor, "F 3"]  # of the body's faces, see `geometry.view.body_position_map`
    how: DraftSettings = DraftSettings()

    @classmethod
    def of(cls, avatar: Avatar, model: BodyModel, source: Source, how: DraftSettings = DraftSettings()) -> "DraftMaker":
        """For an avatar of the first photo."""
        shown = find_shown_textures(avatar, model, source, how.shown)
        return cls(coarsen_textures(avatar, how.texture), shown, template_face_positions(model), how)

    def draw(self, posed: PosedAvatar, view: View) -> Draft:
        """Drafts of the avatar, whose vertices are image points here, and of the body; at the size of the view."""
        size = (view.raster.face.shape[1], view.raster.face.shape[2])
        render = DRAFT_RENDERERS[kernels_of_device(posed.vertices.device)]
        each = (render(posed.dress(self.avatar, k), seen, size) for k, seen in enumerate(posed.vertices))
        drawn, reads = (torch.stack(parts) for parts in zip(*each, strict=True))
        picture = drawn.permute(0, 3, 1, 2) / 255
        seen = look_up_shown(self.shown, reads)[:, None].to(picture)
        return Draft(picture[:, :3], picture[:, 3:], reads[..., :2], seen, body_position_map(view, self.positions))


def draft_size(window: tuple[slice, slice], longest: int) -> tuple[int, int]:
    """Height and width of the draft of a window."""
    height, width = (side.stop - side.start for side in window)
    return limit_raster_size((height, width), longest)


def coarsen_textures(avatar: Avatar, person: int) -> Avatar:
    """The avatar with textures in which the person is `person` to twice as many pixels large, if they were larger."""
    height, width = avatar.photos.shape[1:3]
    extent = (avatar.source.amax(0) - avatar.source.amin(0)) * avatar.source.new_tensor([width / 2, height / 2])
    step = max(1, int(extent.max() / person))
    photos = interpolate(avatar.photos.permute(0, 3, 1, 2).float(), (height // step, width // step), mode="area")
    return replace(avatar, photos=(photos + 0.5).to(torch.uint8).permute(0, 2, 3, 1).contiguous())


def render_draft_torch(
    avatar: Avatar, vertices: Float[Tensor, "V 3"], size: tuple[int, int]
) -> tuple[Float[Tensor, "H W 4"], Float[Tensor, "H W 3"]]:
    """Reference: what `render_torch` gives, and what is read at each pixel.

    That is the image point of the photo, and the number of the texture, at the pixel's centre on its nearest opaque
    face, or, without one, on the nearest translucent one; outside the image, and -1, where there is neither.
    """
    reads = torch.full((*size, 3), OUTSIDE_IMAGE, device=vertices.device)
    reads[..., 2] = -1
    screen = place_faces(avatar, vertices, size)
    if screen is not None:
        height, width = screen.size
        solid, soft = (keys.view(height, 2, width, 2).amax((1, 3)) for keys in nearest_faces_per_sample(avatar, screen))
        key = torch.where(solid > 0, solid, soft)
        row, column = hit = (key > 0).nonzero(as_tuple=True)
        face = len(screen.planes) - 1 - (key[hit] & FACE_INDEX)
        faded = screen.fading.lift[face] > 0.5
        planes = torch.where(faded[:, None], screen.lifted_planes[face], screen.planes[face])
        u, v = texels_of_faces(planes, torch.stack([column, row], 1) * 2 + 1.0)
        texture_size = avatar.photos.shape[1:3]
        at = torch.stack([(u + 0.5) * 2 / texture_size[1] - 1, (v + 0.5) * 2 / texture_size[0] - 1], 1)
        photo = torch.where(faded, screen.fading.lifted[face], avatar.photo[face])
        reads[picture_window(screen)][hit] = torch.cat([at, photo[:, None].to(at)], 1)
    return render_torch(avatar, vertices, size), reads


def render_draft_numba(
    avatar: Avatar, vertices: Float[Tensor, "V 3"], size: tuple[int, int]
) -> tuple[Float[Tensor, "H W 4"], Float[Tensor, "H W 3"]]:
    """`render_draft_torch`, compiled for the CPU."""
    drawn, reads = torch.zeros(*size, 4), torch.full((*size, 3), OUTSIDE_IMAGE)
    reads[..., 2] = -1
    places = vertices.float().contiguous().numpy()
    render_avatar_draft(drawn.numpy(), reads.numpy(), avatar_arrays(avatar), places, NEAR_PLANE)
    return drawn, reads


def render_draft_cuda(
    avatar: Avatar, vertices: Float[Tensor, "V 3"], size: tuple[int, int]
) -> tuple[Float[Tensor, "H W 4"], Float[Tensor, "H W 3"]]:
    """`render_draft_torch`, compiled for GPUs."""
    from motion_imitate.avatar.draw_cuda import render_avatar_run, single_run

    drawn, reads = render_avatar_run(single_run(avatar), vertices[None], size)
    return drawn[0], reads[0]


DRAFT_RENDERERS: dict[str, Callable[[Avatar, Tensor, tuple[int, int]], tuple[Tensor, Tensor]]] = {
    "torch": render_draft_torch,
    "numba": render_draft_numba,
    "cuda": render_draft_cuda,
}


def find_shown_textures(avatar: Avatar, model: BodyModel, source: Source, longest: int) -> Bool[Tensor, "N h w"]:
    """For each of the avatar's textures, where the first photo shows it: at the size of the photo, or less.

    Widened, so that borders between layers count as shown.
    """
    height, width = source.image.shape[2:]
    scale = min(1.0, longest / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    body, camera = source.body[:1], source.camera[:1]
    posed = pose_avatar(avatar, model, body, camera)
    seen = camera_to_image(posed.vertices, camera)[0]
    render = DRAFT_RENDERERS[kernels_of_device(seen.device)]
    texture = render(posed.dress(avatar), seen, size)[1][..., 2]
    each = texture == torch.arange(len(avatar.photos), device=texture.device)[:, None, None]
    return max_pool2d(each.float()[None], 2 * SHOWN_REACH + 1, 1, SHOWN_REACH)[0] > 0


def look_up_shown(shown: Bool[Tensor, "N h w"], reads: Float[Tensor, "B H W 3"]) -> Bool[Tensor, "B H W"]:
    """Whether the photo shows what is read."""
    height, width = shown.shape[1:]
    limit = reads.new_tensor([width - 1, height - 1])
    at = (reads[..., :2] + 1) * reads.new_tensor([width / 2, height / 2])
    column, row = at.floor().clamp(min=0).minimum(limit).long().unbind(-1)
    texture = reads[..., 2].long()
    return shown[texture.clamp(min=0), row, column] & (texture >= 0)


def blend_changed_torch(
    picture: UInt8[Tensor, "H W C"], drawn: Float[Tensor, "H W 4"], change: Float[Tensor, "4 h w"]
) -> None:
    """Blend a drawing (0 to 255, premultiplied) over a picture in place, changed by `change`, enlarged to fit.

    The change is of premultiplied colour and of cover, 1 for 255. Colours stay between 0 and the cover.
    """
    size = (picture.shape[0], picture.shape[1])
    added = interpolate(change[None], size, mode="bilinear", align_corners=False)[0].permute(1, 2, 0) * 255
    cover = (drawn[..., 3:] + added[..., 3:]).clamp(0, 255)
    colour = (drawn[..., :3] + added[..., :3]).clamp(min=0).minimum(cover)
    blend_window(picture, torch.cat([colour, cover], -1))


def draw_changed_into(
    picture: UInt8[Tensor, "H W C"],
    avatar: Avatar,
    vertices: Float[Tensor, "V 3"],
    window: tuple[slice, slice],
    change: Float[Tensor, "4 h w"],
) -> None:
    """`draw.draw_avatar_into` within a window, with a change to the picture of the avatar there."""
    size = (picture.shape[0], picture.shape[1])
    kernels = kernels_of_device(picture.device)
    drawn = AVATAR_RENDERERS[kernels](avatar, vertices, size)
    if kernels != "numba":
        blend_changed_torch(picture[window], drawn[window], change)
        return
    blend_changed(picture[window].numpy(), drawn[window].numpy(), np.ascontiguousarray(change.numpy()))
