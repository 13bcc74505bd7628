"""The fitted body drawn over the picture it was fitted to: clay where it is sure, fading to grey where it is not."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from numpy.typing import NDArray
from torch import Tensor

from motion_imitate.compositing.body_overlay_numba import normals_and_front, outline, paint
from motion_imitate.geometry.camera import NEAR, to_camera, to_image
from motion_imitate.geometry.raster import to_pixels
from motion_imitate.geometry.raster_numba import Floats, Ints, draw
from motion_imitate.types import BodyModel, Camera, Frames, Motion

Colour = tuple[float, float, float]
MARGIN = 3  # pixels that an edge may reach beyond the body
NEXT_TO = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Light:
    towards: tuple[float, float, float]  # in camera axes: x right, y down, z away
    colour: Colour  # linear


@dataclass(frozen=True)
class Clay:
    sure: Colour = (0.90, 0.52, 0.34)  # sRGB, as are the next two
    unsure: Colour = (0.66, 0.66, 0.66)
    ink: Colour = (0.20, 0.10, 0.07)
    opacity: float = 0.85
    faint: float = 0.35  # of the opacity is left when confidence is nearly gone
    step: float = 0.03  # metres of depth between neighbouring pixels that make an edge
    gloss: float = 0.12
    ambient: Colour = (0.12, 0.12, 0.14)
    lights: tuple[Light, ...] = (
        Light((-0.70, -0.75, -0.55), (0.98, 0.92, 0.84)),
        Light((0.90, 0.05, -0.55), (0.20, 0.24, 0.30)),
        Light((0.35, -0.55, 0.75), (0.65, 0.65, 0.70)),
    )


@dataclass(frozen=True)
class Window:
    """The part of a picture that a body takes, in pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def rows(self) -> slice:
        return slice(self.top, self.top + self.height)

    @property
    def columns(self) -> slice:
        return slice(self.left, self.left + self.width)


@dataclass(frozen=True)
class Canvas:
    """Room to draw in, per pixel. It serves all frames of a run: asking for fresh memory takes longer than drawing."""

    face: Ints
    weights: Floats
    depth: Floats
    nearest: Floats  # depth round about
    edge: Bytes
    body: Bytes
    soft_edge: Bytes
    soft_body: Bytes

    def cut(self, window: Window) -> "Canvas":
        size = (window.height, window.width)
        return Canvas(*(a[: size[0] * size[1]].reshape(*size, *a.shape[1:]) for a in vars(self).values()))


def canvas(area: int) -> Canvas:
    floats, whole = np.empty((2, area), np.float32), np.empty(area, np.int64)
    return Canvas(whole, np.empty((area, 3), np.float32), floats[0], floats[1], *np.empty((4, area), np.uint8))


def overlay(frames: Frames, model: BodyModel, motion: Motion, how: Clay = Clay()) -> Frames:
    """The frames with the body over each, and how sure the motion is of it in a corner.

    Where confidence is 0 no body is drawn. The frames that were given stay as they are.
    """
    if len(frames) != len(motion):
        raise ValueError(f"{len(frames)} frames and {len(motion)} poses; give one pose for each frame")
    data = frames.data.permute(0, 2, 3, 1).clone(memory_format=torch.contiguous_format)
    confidence = motion.confidence.nan_to_num(0).clamp(0, 1).tolist()
    with torch.no_grad():
        points = to_camera(model(motion.body)[0], motion.camera)
        draw_bodies(data, points.cpu(), model.faces.cpu(), motion.camera.to("cpu"), confidence, how)
    for picture, sure in zip(data, confidence, strict=True):
        draw_confidence(picture, sure)
    return Frames(data.permute(0, 3, 1, 2), frames.seconds)


def draw_bodies(
    pictures: UInt8[Tensor, "T H W 3"],
    points: Float[Tensor, "T V 3"],
    faces: Int[Tensor, "F 3"],
    camera: Camera,
    confidence: list[float],
    how: Clay,
) -> None:
    """Draws bodies of points in camera space into the pictures themselves."""
    size = (pictures.shape[1], pictures.shape[2])
    pixels = to_pixels(to_image(points, camera), size)
    windows = [around(p, size) for p in pixels]
    room = canvas(max((w.height * w.width for w in windows if w), default=0))
    for t, window in enumerate(windows):
        if window and confidence[t] > 0:
            part = pictures[t, window.rows, window.columns]
            draw_body(part, points[t], into(window, pixels[t]), faces, confidence[t], how, room.cut(window))


def draw_body(
    picture: UInt8[Tensor, "H W 3"],
    points: Float[Tensor, "V 3"],
    seen: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    confidence: float,
    how: Clay,
    on: Canvas,
) -> None:
    """Draws one body, of points in camera space that are seen at these image points, into the picture itself."""
    normals, front = normals_and_front(points.contiguous().numpy(), faces.numpy())
    shown = faces[torch.from_numpy(front)]  # the body is closed: what turns away is hidden
    corners = seen[shown.flatten()].view(1, -1, 3, 3).contiguous()
    draw(corners.numpy(), NEAR, on.face[None], on.weights[None], on.depth[None])
    cv2.erode(on.depth, NEXT_TO, dst=on.nearest, borderType=cv2.BORDER_REPLICATE)
    outline(on.depth, on.nearest, how.step, on.edge, on.body)
    cv2.GaussianBlur(on.body, (3, 3), 0, dst=on.soft_body)
    cv2.GaussianBlur(on.edge, (3, 3), 0, dst=on.soft_edge)
    paint(
        picture.numpy(),
        on.face,
        on.weights,
        shown.numpy(),
        shade(torch.from_numpy(normals), confidence, how).numpy(),
        on.soft_body,
        on.soft_edge,
        255 * np.array(how.ink, np.float32),
        how.opacity * (how.faint + (1 - how.faint) * confidence),
    )


def around(pixels: Float[Tensor, "V 3"], size: tuple[int, int]) -> Window | None:
    """What the body takes of the picture, if anything."""
    ahead = pixels[pixels[:, 2] >= NEAR]
    if not len(ahead) or not pixels.isfinite().all():
        return None
    height, width = size
    left, top = (ahead[:, :2].amin(0).floor() - MARGIN).clamp(min=0).tolist()
    right, bottom = (ahead[:, :2].amax(0).ceil() + MARGIN).clamp(max=max(size)).tolist()
    right, bottom = min(right, width), min(bottom, height)
    if left >= right or top >= bottom:
        return None
    return Window(int(top), int(left), int(bottom - top), int(right - left))


def into(window: Window, pixels: Float[Tensor, "V 3"]) -> Float[Tensor, "V 3"]:
    """Points in pixels of the picture as image points of a window of it."""
    corner = pixels.new_tensor([window.left, window.top])
    xy = (pixels[:, :2] - corner) * 2 / pixels.new_tensor([window.width, window.height]) - 1
    return torch.cat([xy, pixels[:, 2:]], -1)


def shade(normals: Float[Tensor, "V 3"], confidence: float, how: Clay) -> Float[Tensor, "V 3"]:
    """What colour the lights give each vertex, in sRGB from 0 to 255."""
    clay = (1 - confidence) * normals.new_tensor(how.unsure) + confidence * normals.new_tensor(how.sure)
    towards = torch.nn.functional.normalize(normals.new_tensor([light.towards for light in how.lights]), dim=-1)
    lit = (normals @ towards.T).clamp(min=0) @ normals.new_tensor([light.colour for light in how.lights])
    sky = 1 - 0.3 * normals[:, 1:2]  # a little more from above than from below
    between = torch.nn.functional.normalize(towards[0] + normals.new_tensor([0.0, 0.0, -1.0]), dim=0)
    shine = how.gloss * (normals @ between).clamp(min=0)[:, None] ** 24
    linear = clay.square() * (lit + sky * normals.new_tensor(how.ambient)) + shine
    return 255 * linear.clamp(0, 1).sqrt()


def draw_confidence(picture: UInt8[Tensor, "H W 3"], confidence: float) -> None:
    """Draws a bar and the number beside it into the lower left corner of the picture itself."""
    unit = max(1.0, min(picture.shape[:2]) / 360)  # of a small picture's pixels
    height, width = min(round(22 * unit), picture.shape[0]), min(round(118 * unit), picture.shape[1])
    corner = picture.numpy()[-height:, :width]
    panel = np.ascontiguousarray(corner // 3)
    middle, start, end = height // 2, round(10 * unit), round(72 * unit)
    thick = round(6 * unit)
    cv2.line(panel, (start, middle), (end, middle), (90, 90, 90), thick, cv2.LINE_AA)
    full = start + round((end - start) * confidence)
    if confidence > 0:
        cv2.line(panel, (start, middle), (full, middle), (235, 160, 115), thick, cv2.LINE_AA)
    at = (round(82 * unit), middle + round(4 * unit))
    cv2.putText(panel, f"{confidence:.2f}", at, cv2.FONT_HERSHEY_SIMPLEX, 0.38 * unit, (240,) * 3, round(unit), 16)
    corner[:] = panel
