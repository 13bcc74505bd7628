"""A body painted with a smooth pattern, as a camera sees it: what a generator should show of it is known exactly."""

import torch

from motion_imitate.bodies import load_body
from motion_imitate.generators.liquid_warping import SID, TSF
from motion_imitate.generators.painter import Painter, PainterSettings, face_uv_points
from motion_imitate.geometry.camera import default_intrinsics
from motion_imitate.geometry.flow import interpolate_on_raster
from motion_imitate.geometry.raster import rasterize
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.geometry.view import view_of_body
from motion_imitate.types import Body, Camera, Source, cat_batched
from tests.support.narrow_networks import narrow

MODEL = load_body("anny")
SIZE = (480, 320)
GROUND = 0.25


def standing(yaw=0.0, across=0.0, size=SIZE):
    """One body, turned by `yaw` radians, `across` metres to the right; and its camera."""
    pose = MODEL.relaxed[None].clone()
    pose[:, 0] = rotation_vector_to_matrix(torch.tensor([[0.0, yaw, 0.0]]))
    focal, centre = default_intrinsics(size, 1)
    body = Body(pose, torch.zeros(1, len(MODEL.skin.shape_dirs)))
    return body, Camera(focal, centre, torch.tensor([[across, 0.1, 2.6]]))


def paint():
    """Colours of the vertices, [V, 3]."""
    place = MODEL.skin.template
    return torch.stack([0.5 + 0.4 * torch.sin(w * place @ torch.tensor(d)) for w, d in WAVES], -1)


WAVES = ((9.0, (0.0, 1.0, 0.3)), (7.0, (1.0, 0.2, 0.0)), (8.0, (0.3, -0.5, 1.0)))


def seen(body, camera, size=SIZE):
    """The picture [1, 3, H, W], the matte and the view."""
    view = view_of_body(MODEL, rasterize, body, camera, size)
    colour = interpolate_on_raster(paint()[MODEL.faces][None], view.raster).permute(0, 3, 1, 2)
    matte = (view.raster.face >= 0)[:, None].float()
    return colour * matte + GROUND * (1 - matte), matte, view


def source(*whos, size=SIZE):
    """The photos of bodies and cameras."""
    body, camera = cat_batched([b for b, _ in whos]), cat_batched([c for _, c in whos])
    image, matte, view = seen(body, camera, size)
    return Source(image, matte, torch.full_like(image, GROUND), body, camera, view)


def painter():
    """A generator of untrained networks."""
    torch.manual_seed(0)
    shape = narrow("paper")
    return Painter(SID(shape), TSF(shape), face_uv_points(MODEL.uv), PainterSettings(size=64))
