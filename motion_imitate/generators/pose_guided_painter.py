"""Draw with PG2: networks paint the person from a photo and the keypoints of the target pose."""

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.generators.person_canvas import (
    LEAST_MATTE,
    CanvasFit,
    person_over_grey,
    take_drawn,
    window_around,
)
from motion_imitate.generators.pose_guided import PoseGuidedNetworks
from motion_imitate.generators.pose_maps import draw_disc_maps, draw_pose_mask, openpose_points
from motion_imitate.generators.view_keypoints import ViewKeypoints
from motion_imitate.types import Drawn, Source, View


class PoseGuidedPainter:
    """A Generator whose networks see nothing of the body but its keypoints, and one photo."""

    def __init__(self, networks: PoseGuidedNetworks, keypoints: ViewKeypoints) -> None:
        self.networks, self.keypoints = networks.eval(), keypoints

    @torch.no_grad()
    def encode(self, source: Source) -> Float[Tensor, "1 3 h w"]:
        """The person of the first photo over grey, at the networks' size."""
        rows, columns = window_around(source.matte[0, 0] > LEAST_MATTE)
        person = person_over_grey(source[:1])[..., rows, columns]
        return CanvasFit.of((person.shape[2], person.shape[3]), self.networks.how.size).put(person)

    @torch.no_grad()
    def draw(self, code: Float[Tensor, "1 3 h w"], target: View) -> Drawn:
        """Paint each view."""
        size, canvas = (target.raster.face.shape[1], target.raster.face.shape[2]), self.networks.how.size
        fit = CanvasFit.of(size, canvas)
        points, visible = self.keypoints.read(target)
        points, present = openpose_points(fit.place_points(points), visible)
        made = self.networks(code.expand(len(points), -1, -1, -1), draw_disc_maps(points, present, canvas)).fine
        return take_drawn(fit, made, draw_pose_mask(points, present, canvas), size)
