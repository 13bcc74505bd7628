"""A posed body as a camera sees it."""

from jaxtyping import Float
from torch import Tensor

from motion_imitate.geometry.camera import body_to_camera, camera_to_image
from motion_imitate.types import Body, BodyModel, Camera, Rasterizer, View

LEAST_RASTER_SIDE = 8  # pixels


def limit_raster_size(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Height and width of a raster of a picture's shape, whose longer side is at most `longest`."""
    scale = min(1.0, longest / max(size))
    height, width = (max(LEAST_RASTER_SIDE, round(side * scale)) for side in size)
    return height, width


def view_of_body(model: BodyModel, rasterize: Rasterizer, body: Body, camera: Camera, size: tuple[int, int]) -> View:
    """Rasterize a posed body as the camera sees it, at (height, width)."""
    vertices, joints = (body_to_camera(points, camera) for points in model(body))
    return view_of_vertices(vertices, joints, camera, model, rasterize, size)


def view_of_vertices(
    vertices: Float[Tensor, "B V 3"],
    joints: Float[Tensor, "B J 3"],
    camera: Camera,
    model: BodyModel,
    rasterize: Rasterizer,
    size: tuple[int, int],
) -> View:
    """Rasterize vertices and joints given in camera space, at (height, width)."""
    corners = camera_to_image(vertices, camera)[:, model.faces]  # [B, F, 3, 3]
    return View(corners, camera_to_image(joints, camera)[..., :2], rasterize(corners, size))


def template_face_positions(model: BodyModel) -> Float[Tensor, "F 3"]:
    """Centroid of each face on the resting body, from the middle of its bounding box; 1 is half the body's height."""
    at = model.skin.template
    middle = (at.amax(0) + at.amin(0)) / 2
    return (at[model.faces].mean(1) - middle) / (at[:, 1].amax() - at[:, 1].amin()) * 2


def body_position_map(view: View, positions: Float[Tensor, "F 3"]) -> Float[Tensor, "B 3 H W"]:
    """Position on the body of the face at each pixel, from those of all faces; 0 where there is none."""
    face = view.raster.face
    return (positions[face.clamp(min=0)] * (face >= 0)[..., None]).permute(0, 3, 1, 2)
