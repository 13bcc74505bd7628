"""That an avatar moves with the joints of its body."""

import torch
from torch.testing import assert_close

from motion_imitate.avatar.avatar import Avatar
from motion_imitate.avatar.pose import pose_avatar
from motion_imitate.bodies import load_body
from motion_imitate.bodies.skinning import rest_shape
from motion_imitate.geometry.camera import body_to_camera
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.types import Body, Camera


def test_an_avatar_made_of_the_body_moves_as_the_body():
    model = load_body("anny")
    generator = torch.Generator().manual_seed(0)
    count, some = 2, slice(0, None, 9)
    shape = torch.randn(1, len(model.skin.shape_dirs), generator=generator).expand(count, -1)
    turns = 0.4 * torch.randn(count * len(model.skin.parents), 3, generator=generator)
    body = Body(rotation_vector_to_matrix(turns).view(count, -1, 3, 3), shape)
    camera = Camera(torch.ones(count, 2), torch.zeros(count, 2), torch.randn(count, 3, generator=generator))
    weights, joints = model.skin.weights[some].topk(8)
    rest = rest_shape(model.skin, shape[:1])[0][0, some]
    assert_close(weights.sum(1), torch.ones(len(rest)))  # no vertex of this body has more joints
    none = torch.zeros(0, dtype=torch.int64)
    avatar = Avatar(
        rest=rest,
        joints=joints,
        weights=weights,
        source=rest[:, :2],
        faces=none.view(0, 3),
        photo=none,
        layer=none,
        bias=torch.zeros(1),
        thick=none.bool(),
        solid=none.bool(),
        photos=torch.zeros(1, 1, 1, 4, dtype=torch.uint8),
    )
    posed = pose_avatar(avatar, model, body, camera)
    assert_close(posed, body_to_camera(model(body)[0][:, some], camera), atol=1e-5, rtol=0)
