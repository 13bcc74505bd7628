"""Draw the fitted body over the video frames: clay-coloured where confidence is high, grey where it is low."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from numpy.typing import NDArray
from torch import Tensor

from motion_imitate.compositing.body_overlay_numba import blend_shaded_body, find_depth_edges, normals_and_front
from motion_imitate.geometry.camera import NEAR_PLANE, body_to_camera, camera_to_image
from motion_imitate.geometry.raster import to_pixels
from motion_imitate.geometry.raster_numba import Floats, Ints, rasterize_into
from motion_imitate.types import BodyModel, Camera, Frames, Motion

Colour = tuple[float, float, float]
OVERLAY_MARGIN = 3  # pixels; outlines extend beyond the body
CROSS_KERNEL = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class DirectionalLight:
    """A directional light."""

    towards: tuple[float, float, float]  # direction to the light, in camera axes: x right, y down, z away
    colour: Colour  # linear RGB


@dataclass(frozen=True)
class OverlayStyle:
    """Colours, opacity and lights of the overlay."""

    sure: Colour = (0.90, 0.52, 0.34)  # sRGB, like the next two
    unsure: Colour = (0.66, 0.66, 0.66)
    ink: Colour = (0.20, 0.10, 0.07)
    opacity: float = 0.85
    faint: float = 0.35  # fraction of the opacity that remains as confidence nears 0
    step: float = 0.03  # metres; a larger depth step between neighbouring pixels is outlined
    gloss: float = 0.12
    ambient: Colour = (0.12, 0.12, 0.14)
    lights: tuple[DirectionalLight, ...] = (
        DirectionalLight((-0.70, -0.75, -0.55), (0.98, 0.92, 0.84)),
        DirectionalLight((0.90, 0.05, -0.55), (0.20, 0.24, 0.30)),
        DirectionalLight((0.35, -0.55, 0.75), (0.65, 0.65, 0.70)),
    )


@dataclass(frozen=True)
class BodyWindow:
    """The part of the image that a body covers, in pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def rows(self) -> slice:
        """Rows of the window, as a slice."""
        return slice(self.top, self.top + self.height)

    @property
    def columns(self) -> slice:
        """Columns of the window, as a slice."""
        return slice(self.left, self.left + self.width)


@dataclass(frozen=True)
class OverlayBuffers:
    """Per-pixel buffers, reused for all frames: allocating them takes longer than drawing."""

    face: Ints
    weights: Floats
    depth: Floats
    nearest: Floats  # least depth among the neighbouring pixels
    edge: Bytes
    body: Bytes
    soft_edge: Bytes
    soft_body: Bytes

    def cut(self, window: BodyWindow) -> "OverlayBuffers":
        """Views of the buffers at the size of the window."""
        size = (window.height, window.width)
        return OverlayBuffers(*(a[: size[0] * size[1]].reshape(*size, *a.shape[1:]) for a in vars(self).values()))


def allocate_buffers(area: int) -> OverlayBuffers:
    """Allocate buffers for windows of up to `area` pixels."""
    floats, whole = np.empty((2, area), np.float32), np.empty(area, np.int64)
    return OverlayBuffers(whole, np.empty((area, 3), np.float32), floats[0], floats[1], *np.empty((4, area), np.uint8))


def overlay_body(frames: Frames, model: BodyModel, motion: Motion, how: OverlayStyle = OverlayStyle()) -> Frames:
    """Return copies of the frames with the body drawn over each, and the confidence in a corner.

    No body is drawn where confidence is 0.
    """
    if len(frames) != len(motion):
        raise ValueError(f"{len(frames)} frames and {len(motion)} poses; give one pose for each frame")
    data = frames.data.permute(0, 2, 3, 1).clone(memory_format=torch.contiguous_format)
    confidence = motion.confidence.nan_to_num(0).clamp(0, 1).tolist()
    with torch.no_grad():
        points = body_to_camera(model(motion.body)[0], motion.camera)
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
    how: OverlayStyle,
) -> None:
    """Draw bodies, given by points in camera space, into the pictures, in place."""
    size = (pictures.shape[1], pictures.shape[2])
    pixels = to_pixels(camera_to_image(points, camera), size)
    windows = [body_window(p, size) for p in pixels]
    room = allocate_buffers(max((w.height * w.width for w in windows if w), default=0))
    for t, window in enumerate(windows):
        if window and confidence[t] > 0:
            part = pictures[t, window.rows, window.columns]
            draw_body(part, points[t], pixels_to_window(window, pixels[t]), faces, confidence[t], how, room.cut(window))


def draw_body(
    picture: UInt8[Tensor, "H W 3"],
    points: Float[Tensor, "V 3"],
    seen: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    confidence: float,
    how: OverlayStyle,
    on: OverlayBuffers,
) -> None:
    """Draw one body into the picture, in place.

    `points` are in camera space, `seen` are their image points in the picture.
    """
    normals, front = normals_and_front(points.contiguous().numpy(), faces.numpy())
    shown = faces[torch.from_numpy(front)]  # the mesh is closed, so back faces are hidden
    corners = seen[shown.flatten()].view(1, -1, 3, 3).contiguous()
    rasterize_into(corners.numpy(), NEAR_PLANE, on.face[None], on.weights[None], on.depth[None])
    cv2.erode(on.depth, CROSS_KERNEL, dst=on.nearest, borderType=cv2.BORDER_REPLICATE)
    find_depth_edges(on.depth, on.nearest, how.step, on.edge, on.body)
    cv2.GaussianBlur(on.body, (3, 3), 0, dst=on.soft_body)
    cv2.GaussianBlur(on.edge, (3, 3), 0, dst=on.soft_edge)
    blend_shaded_body(
        picture.numpy(),
        on.face,
        on.weights,
        shown.numpy(),
        shade_vertices(torch.from_numpy(normals), confidence, how).numpy(),
        on.soft_body,
        on.soft_edge,
        255 * np.array(how.ink, np.float32),
        how.opacity * (how.faint + (1 - how.faint) * confidence),
    )


def body_window(pixels: Float[Tensor, "V 3"], size: tuple[int, int]) -> BodyWindow | None:
    """The window that the body covers; None if it is outside the image."""
    ahead = pixels[pixels[:, 2] >= NEAR_PLANE]
    if not len(ahead) or not pixels.isfinite().all():
        return None
    height, width = size
    left, top = (ahead[:, :2].amin(0).floor() - OVERLAY_MARGIN).clamp(min=0).tolist()
    right, bottom = (ahead[:, :2].amax(0).ceil() + OVERLAY_MARGIN).clamp(max=max(size)).tolist()
    right, bottom = min(right, width), min(bottom, height)
    if left >= right or top >= bottom:
        return None
    return BodyWindow(int(top), int(left), int(bottom - top), int(right - left))


def pixels_to_window(window: BodyWindow, pixels: Float[Tensor, "V 3"]) -> Float[Tensor, "V 3"]:
    """Convert points from pixels of the image to image points of the window."""
    corner = pixels.new_tensor([window.left, window.top])
    xy = (pixels[:, :2] - corner) * 2 / pixels.new_tensor([window.width, window.height]) - 1
    return torch.cat([xy, pixels[:, 2:]], -1)


def shade_vertices(normals: Float[Tensor, "V 3"], confidence: float, how: OverlayStyle) -> Float[Tensor, "V 3"]:
    """Colour of each vertex under the lights, in sRGB, 0 to 255."""
    clay = (1 - confidence) * normals.new_tensor(how.unsure) + confidence * normals.new_tensor(how.sure)
    towards = torch.nn.functional.normalize(normals.new_tensor([light.towards for light in how.lights]), dim=-1)
    lit = (normals @ towards.T).clamp(min=0) @ normals.new_tensor([light.colour for light in how.lights])
    sky = 1 - 0.3 * normals[:, 1:2]  # slightly brighter from above
    between = torch.nn.functional.normalize(towards[0] + normals.new_tensor([0.0, 0.0, -1.0]), dim=0)
    shine = how.gloss * (normals @ between).clamp(min=0)[:, None] ** 24
    linear = clay.square() * (lit + sky * normals.new_tensor(how.ambient)) + shine
    return 255 * linear.clamp(0, 1).sqrt()


def draw_confidence(picture: UInt8[Tensor, "H W 3"], confidence: float) -> None:
    """Draw the confidence as a bar and a number into the lower left corner, in place."""
    unit = max(1.0, min(picture.shape[:2]) / 360)  # scale of the panel; 1 at 360 pixels
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
