"""CUDA kernels that draw an avatar in a run of frames, with the operations of the CPU's kernels.

One thread places a face, one draws it, one colours a pixel; frames of a run are drawn by one launch of each. Samples
are those of `raster_numba`, of whole pictures.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from numba import cuda
from torch import Tensor

from motion_imitate.avatar.avatar import Avatar, FadingFaces
from motion_imitate.avatar.draw_numba import Bytes, blend_pixel, read_pixel, write_pixel_reads
from motion_imitate.avatar.place_numba import SOFT_TURN, AvatarArrays, PlacedFaces, place_face
from motion_imitate.avatar.pose import PosedAvatar
from motion_imitate.avatar.raster_numba import FACE_BITS, FAINT, Samples, row_span, sample_key
from motion_imitate.avatar.texel_numba import PLANE_COLUMNS, Index, Words, mix_taps, read_taps
from motion_imitate.geometry.camera import NEAR_PLANE
from motion_imitate.geometry.cuda_launch import (
    compile_for_gpu,
    compile_gpu_function,
    cuda_array,
    cuda_arrays,
    launch_kernel,
)
from motion_imitate.geometry.flow import OUTSIDE_IMAGE
from motion_imitate.geometry.raster_numba import HALF, ZERO, Floats

EDGE_COLUMNS = 10


class AvatarRun(NamedTuple):
    """The fields of `AvatarArrays`, with a leading axis where they differ between frames."""

    source: Float[Tensor, "B V 2"]
    faces: Int[Tensor, "F 3"]
    photo: Int[Tensor, "B F"]
    lift: Float[Tensor, "B F"]
    lifted: Int[Tensor, " F"]
    slot: Int[Tensor, " F"]
    lifted_source: Float[Tensor, "K 3 2"]
    layer: Int[Tensor, " F"]
    bias: Float[Tensor, " L"]
    thick: Bool[Tensor, " F"]
    solid: Bool[Tensor, " F"]
    photos: Int[Tensor, "N H W"]  # as `AvatarArrays.photos`, signed


class PlacedRun(NamedTuple):
    """The fields of `PlacedFaces` of each frame that kernels on a GPU use."""

    planes: Float[Tensor, "B F P"]
    edges: Float[Tensor, "B F E"]
    boxes: Int[Tensor, "B F 4"]
    opaque: Float[Tensor, "B F"]
    turns: Int[Tensor, "B F"]


def dress_run(avatar: Avatar, posed: PosedAvatar) -> AvatarRun:
    """What kernels draw of an avatar in poses: of each what `PosedAvatar.dress` gives."""
    frames, fading, cuffs = len(posed.vertices), avatar.spread_lift(), avatar.cuffs
    lift = fading.lift.new_zeros(frames, len(avatar.faces))
    lift[:, avatar.contacts.faces] = posed.lift
    lift[:, avatar.head.faces] = posed.head_lift[:, None]
    photo = avatar.photo.repeat(frames, 1)
    photo[:, cuffs.faces] = torch.where(posed.cuts_sleeves(avatar), cuffs.photo, photo[:, cuffs.faces])
    return gather_run(avatar, fading._replace(lift=lift), posed.source, photo)


def single_run(avatar: Avatar) -> AvatarRun:
    """What kernels draw of an avatar in one pose, in its colours."""
    fading = avatar.spread_lift()
    return gather_run(avatar, fading._replace(lift=fading.lift[None]), avatar.source[None], avatar.photo[None])


def gather_run(
    avatar: Avatar, fading: FadingFaces, source: Float[Tensor, "B V 2"], photo: Int[Tensor, "B F"]
) -> AvatarRun:
    """The fields of a run of frames."""
    words = avatar.photos.contiguous().view(torch.int32)[..., 0]
    given = {**vars(avatar), **fading._asdict(), "source": source, "photo": photo, "photos": words}
    return AvatarRun(*(given[name].contiguous() for name in AvatarRun._fields))


@compile_for_gpu
def place_faces_of_run(run: Any, vertices: Floats, near: np.float32, size: tuple[int, int], placed: Any) -> None:
    """Write the faces of each frame: see `place_face`."""
    f, b = cuda.grid(2)
    if f >= run.faces.shape[0] or b >= vertices.shape[0]:
        return
    avatar = AvatarArrays(
        run.source[b],
        run.faces,
        run.photo[b],
        run.lift[b],
        run.lifted,
        run.slot,
        run.lifted_source,
        run.layer,
        run.bias,
        run.thick,
        run.solid,
        run.photos,
    )
    turns = placed.turns[b]
    faces = PlacedFaces(placed.planes[b], placed.edges[b], placed.boxes[b], placed.opaque[b], turns, turns, turns)
    turns[f] = place_face(f, avatar, vertices[b], near, size, faces)


@compile_gpu_function
def draw_solid_face_atomic(f: Index, width: int, planes: Floats, edges: Floats, boxes: Any, solid: Samples) -> None:
    """`draw_solid_face` where other threads draw, too."""
    x0, y0, value, over, down = planes[f, 0], planes[f, 1], planes[f, 2], planes[f, 5], planes[f, 8]
    tag = FACE_BITS - np.int64(f)
    for row in range(boxes[f, 0], boxes[f, 1]):
        left, right = row_span(edges, f, row, width)
        start = value + down * (np.float32(row) + HALF - y0)
        for column in range(left, right):
            key = sample_key(start + over * (np.float32(column) + HALF - x0), tag)
            cuda.atomic.max(solid, row * width + column, key)


@compile_gpu_function
def draw_soft_face_atomic(
    f: Index,
    width: int,
    planes: Floats,
    edges: Floats,
    boxes: Any,
    opaque: np.float32,
    photos: Words,
    solid: Samples,
    soft: Samples,
) -> None:
    """`draw_soft_face` where other threads draw, too."""
    x0, y0, value, over, down = planes[f, 0], planes[f, 1], planes[f, 2], planes[f, 5], planes[f, 8]
    tag = FACE_BITS - np.int64(f)
    for row in range(boxes[f, 0], boxes[f, 1]):
        left, right = row_span(edges, f, row, width)
        start = value + down * (np.float32(row) + HALF - y0)
        for column in range(left, right):
            key = sample_key(start + over * (np.float32(column) + HALF - x0), tag)
            at = row * width + column
            if key > solid[at]:
                x, y = np.float32(column // 2 * 2 + 1), np.float32(row // 2 * 2 + 1)
                alpha = mix_taps(read_taps(planes, f, x, y, photos), 24)
                if alpha > opaque:
                    cuda.atomic.max(solid, at, key)
                elif alpha >= FAINT:
                    cuda.atomic.max(soft, at, key)


@compile_for_gpu
def rasterize_run(placed: Any, photos: Words, width: int, solid: Samples, soft: Samples) -> None:
    """Fill the samples [B, H * W] of each frame with the nearest opaque and the nearest translucent faces."""
    f, b = cuda.grid(2)
    if f >= placed.turns.shape[1] or b >= placed.turns.shape[0]:
        return
    turn = placed.turns[b, f]
    planes, edges, boxes = placed.planes[b], placed.edges[b], placed.boxes[b]
    if turn == SOFT_TURN:
        draw_soft_face_atomic(f, width, planes, edges, boxes, placed.opaque[b, f], photos, solid[b], soft[b])
    elif turn >= 0:
        draw_solid_face_atomic(f, width, planes, edges, boxes, solid[b])


@compile_for_gpu
def blend_run(pictures: Bytes, planes: Floats, photos: Words, solid: Samples, soft: Samples) -> None:
    """Blend the samples of each frame over its picture [B, H, W, C]."""
    x, y, b = cuda.grid(3)
    if x >= pictures.shape[2] or y >= pictures.shape[1] or b >= pictures.shape[0]:
        return
    stride = 2 * pictures.shape[2]
    colour = read_pixel(planes[b], x, y, np.uint64(2 * y * stride + 2 * x), stride, photos, solid[b], soft[b])
    if colour[3] > ZERO:
        blend_pixel(pictures[b], np.uint64(y), np.uint64(x), colour)


@compile_for_gpu
def write_run(drawn: Floats, reads: Floats, planes: Floats, photos: Words, solid: Samples, soft: Samples) -> None:
    """Write premultiplied colour and alpha [B, H, W, 4], 0 to 255, and where photos are read [B, H, W, 3]."""
    x, y, b = cuda.grid(3)
    if x >= drawn.shape[2] or y >= drawn.shape[1] or b >= drawn.shape[0]:
        return
    stride = 2 * drawn.shape[2]
    at = np.uint64(2 * y * stride + 2 * x)
    red, green, blue, cover = read_pixel(planes[b], x, y, at, stride, photos, solid[b], soft[b])
    drawn[b, y, x, 0], drawn[b, y, x, 1], drawn[b, y, x, 2], drawn[b, y, x, 3] = red, green, blue, cover
    write_pixel_reads(reads[b], x, y, at, stride, planes[b], photos, solid[b], soft[b])


class RunSamples(NamedTuple):
    """Kernels' arrays of the samples of a run of frames."""

    planes: Any
    photos: Any
    solid: Any
    soft: Any


def rasterize_avatar_run(run: AvatarRun, vertices: Float[Tensor, "B V 3"], size: tuple[int, int]) -> RunSamples:
    """The nearest faces at the samples of pictures of (height, width)."""
    (height, width), frames, faces = (2 * size[0], 2 * size[1]), len(vertices), len(run.faces)
    places, device = vertices.float().contiguous(), vertices.device
    planes, edges = places.new_empty(frames, faces, PLANE_COLUMNS), places.new_empty(frames, faces, EDGE_COLUMNS)
    boxes, turns = (
        torch.empty(shape, dtype=torch.int32, device=device) for shape in ((frames, faces, 4), (frames, faces))
    )
    given = cuda_arrays(run)
    placed = cuda_arrays(PlacedRun(planes, edges, boxes, places.new_empty(frames, faces), turns))
    solid, soft = torch.zeros(2, frames, height * width, dtype=torch.int64, device=device).unbind(0)
    samples = RunSamples(placed.planes, given.photos, cuda_array(solid), cuda_array(soft))
    near, counts = np.float32(NEAR_PLANE), (faces, frames)
    launch_kernel(place_faces_of_run, counts, device, given, cuda_array(places), near, (height, width), placed)
    launch_kernel(rasterize_run, counts, device, placed, given.photos, width, samples.solid, samples.soft)
    return samples


def draw_avatar_run(pictures: UInt8[Tensor, "B H W C"], run: AvatarRun, vertices: Float[Tensor, "B V 3"]) -> None:
    """Draw each frame over a picture, in place, from image x, image y and depth of the vertices."""
    height, width = pictures.shape[1:3]
    samples = rasterize_avatar_run(run, vertices, (height, width))
    launch_kernel(blend_run, (width, height, len(pictures)), pictures.device, cuda_array(pictures), *samples)


def render_avatar_run(
    run: AvatarRun, vertices: Float[Tensor, "B V 3"], size: tuple[int, int]
) -> tuple[Float[Tensor, "B H W 4"], Float[Tensor, "B H W 3"]]:
    """Premultiplied colour and alpha of each frame, 0 to 255, and what is read: see `draft.render_draft_torch`."""
    samples = rasterize_avatar_run(run, vertices, size)
    drawn = vertices.new_empty(len(vertices), *size, 4, dtype=torch.float32)
    reads = torch.full_like(drawn[..., :3], OUTSIDE_IMAGE).contiguous()
    reads[..., 2] = -1
    counts = (size[1], size[0], len(vertices))
    launch_kernel(write_run, counts, vertices.device, cuda_array(drawn), cuda_array(reads), *samples)
    return drawn, reads
