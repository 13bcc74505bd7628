"""Draw with DRN: networks paint the person from a photo, and its face from the face's landmarks."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.generators.detail_replenishing import FACING, DetailInput, DetailReplenishingNetworks, crop_boxes
from motion_imitate.generators.person_canvas import (
    LEAST_MATTE,
    CanvasFit,
    person_over_grey,
    points_in_window,
    take_drawn,
    window_around,
)
from motion_imitate.generators.pose_maps import (
    draw_face_landmarks,
    draw_pose_heat_maps,
    draw_pose_mask,
    openpose_points,
)
from motion_imitate.generators.view_keypoints import ViewKeypoints
from motion_imitate.types import Drawn, Source, View


@dataclass(frozen=True)
class DetailCode:
    """What `DetailPainter.encode` keeps of the first photo."""

    photo: Float[Tensor, "1 3 h w"]
    pose: Float[Tensor, "1 18 h w"]
    face: Float[Tensor, "1 3 s s"]  # zero if the photo does not show it


class DetailPainter:
    """A Generator whose networks see the keypoints of the body in the photo and in the view.

    `size` is the height and width of the networks' pictures.
    """

    def __init__(
        self, networks: DetailReplenishingNetworks, keypoints: ViewKeypoints, size: tuple[int, int] = (128, 96)
    ) -> None:
        self.networks, self.keypoints, self.size = networks.eval(), keypoints, size

    @torch.no_grad()
    def encode(self, source: Source) -> DetailCode:
        """The first photo, the pose in it and its face, at the networks' size."""
        window = window_around(source.matte[0, 0] > LEAST_MATTE)
        person = person_over_grey(source[:1])[..., window[0], window[1]]
        fit = CanvasFit.of((person.shape[2], person.shape[3]), self.size)
        photo = fit.put(person)

        def on_canvas(found: Float[Tensor, "1 n 2"]) -> Float[Tensor, "1 n 2"]:
            return fit.place_points(points_in_window(found, window, (source.image.shape[2], source.image.shape[3])))

        points, visible = self.keypoints.read(source.view[:1])
        pose = draw_pose_heat_maps(*openpose_points(on_canvas(points), visible), self.size)
        box, turned = self.keypoints.read_face(source.view[:1])
        face = crop_boxes(photo, on_canvas(box.unflatten(1, (2, 2))).flatten(1), self.networks.how.face_side)
        return DetailCode(photo, pose, face * (turned > FACING))

    @torch.no_grad()
    def draw(self, code: DetailCode, target: View) -> Drawn:
        """Paint each view."""
        size = (target.raster.face.shape[1], target.raster.face.shape[2])
        fit = CanvasFit.of(size, self.size)
        found, visible = self.keypoints.read(target)
        found = fit.place_points(found)
        points, present = openpose_points(found, visible)
        box, turned = self.keypoints.read_face(target)
        box, views = fit.place_points(box.unflatten(1, (2, 2))).flatten(1), len(found)
        given = DetailInput(
            photo=code.photo.expand(views, -1, -1, -1),
            poses=torch.cat([code.pose.expand(views, -1, -1, -1), draw_pose_heat_maps(points, present, self.size)], 1),
            face=code.face.expand(views, -1, -1, -1),
            landmarks=draw_face_landmarks(found, visible, box, self.networks.how.face_side),
            box=box,
            shown=(turned > FACING).to(found),
        )
        return take_drawn(fit, self.networks(given).fine, draw_pose_mask(points, present, self.size), size)
