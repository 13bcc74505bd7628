"""An Estimator that takes landmarks from a body that Human Mesh Recovery regresses in each frame."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.bodies import load_body
from motion_imitate.estimators.blazepose import HIP_LANDMARKS
from motion_imitate.estimators.hmr import PERSON_PIXELS, load_hmr
from motion_imitate.estimators.hmr_bodies import HmrBodies
from motion_imitate.estimators.landmarks import LandmarkEstimator, Landmarking
from motion_imitate.estimators.roi import Roi, crop_roi, frame_to_rgb
from motion_imitate.types import Frames, Sighting

CERTAIN_VISIBILITY = 0.3  # of landmarks that frame a person
HMR_BATCH = 8  # crops that the network sees at once


class HmrEstimator:
    """Finds and tracks people as `LandmarkEstimator` does; their landmarks are points of the regressed bodies."""

    def __init__(self, how: Landmarking, weights: Path) -> None:
        self.look, self.how = LandmarkEstimator(how), how
        self.net = load_hmr(weights, how.device)
        self.bodies = HmrBodies(load_body(self.net.config.body))

    def __call__(self, frames: Frames) -> list[Sighting]:
        """Sightings of all people, the largest first."""
        return [self.look_again(frames, seen) for seen in self.look(frames)]

    @torch.no_grad()
    def look_again(self, frames: Frames, seen: Sighting) -> Sighting:
        """A person's sighting with the regressed body's points; those inside the image count as visible."""
        rows = (seen.score > 0).nonzero()[:, 0]
        if not len(rows):
            return seen
        half = seen.points.new_tensor([frames.data.shape[3], frames.data.shape[2]]) / 2
        rois = [roi_of_person((seen.points[row] + 1) * half, seen.visible[row]) for row in rows.tolist()]
        crops = [
            crop_roi(frame_to_rgb(frames.data[row]), roi, self.net.config.size)
            for row, roi in zip(rows.tolist(), rois, strict=True)
        ]
        points, world = self.regress_points(torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2))
        centre, side = (points.new_tensor(x) for x in ([(r.x, r.y) for r in rois], [r.side for r in rois]))
        points = (points * side[:, None, None] / 2 + centre[:, None]) / half - 1
        inside = (points.abs() < 1).all(2).to(points)
        return replace(
            seen,
            points=seen.points.index_copy(0, rows, points),
            world=seen.world.index_copy(0, rows, world),
            visible=seen.visible.index_copy(0, rows, inside),
        )

    def regress_points(self, crops: Tensor) -> tuple[Float[Tensor, "N 33 2"], Float[Tensor, "N 33 3"]]:
        """Landmarks of the bodies in crops: image points of the crop, and metres from the mid-hip."""
        aim, world = list[Tensor](), list[Tensor]()
        for some in crops.split(HMR_BATCH):
            guess = self.net((some.to(self.how.device) / 255).float())[-1].to("cpu")
            at = self.bodies.landmarks(guess)
            aim.append(guess.project(at))
            world.append(at - at[:, HIP_LANDMARKS].mean(1, keepdim=True))
        return torch.cat(aim), torch.cat(world)


def roi_of_person(points: Float[Tensor, "K 2"], visible: Float[Tensor, " K"]) -> Roi:
    """The upright square around a person's visible points, in pixels, as the networks were trained on."""
    some = points[visible > CERTAIN_VISIBILITY] if (visible > CERTAIN_VISIBILITY).sum() > 1 else points
    low, high = some.amin(0), some.amax(0)
    x, y = ((low + high) / 2).tolist()
    return Roi(x, y, max(1.0, float((high - low).norm()) / PERSON_PIXELS), 0.0)
