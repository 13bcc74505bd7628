"""The method on one page."""

from motion_imitate.camera import project
from motion_imitate.types import Body, BodyModel, Camera, Rasterizer, View


def look(model: BodyModel, rasterize: Rasterizer, body: Body, camera: Camera, size: tuple[int, int]) -> View:
    """A posed body as a camera sees it, at (height, width)."""
    vertices, joints = model(body)
    corners = project(vertices, camera)[:, model.faces]  # [B, F, 3, 3]
    return View(corners, project(joints, camera)[..., :2], rasterize(corners, size))
