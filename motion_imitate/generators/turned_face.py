"""Faces that turn farther than their photo shows them: DRN's face module draws what the eye sees from afar.

The module draws faces of a few dozen pixels. Of an avatar's face, which may have some hundreds, they replace the low
frequencies; the avatar's details stay.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from motion_imitate.avatar.avatar import Avatar
from motion_imitate.avatar.best_photo import DrawPosed, trunk_view
from motion_imitate.avatar.body_hand_moves import smooth_ramp
from motion_imitate.bodies.skinning import joint_places, local_to_global, rest_shape
from motion_imitate.generators.detail_replenishing import FACING, paste_faces, soft_box_mask
from motion_imitate.generators.face_module import FaceModule, crop_small_boxes
from motion_imitate.generators.person_canvas import person_over_grey
from motion_imitate.generators.pose_maps import draw_face_landmarks
from motion_imitate.generators.view_keypoints import ViewKeypoints
from motion_imitate.geometry.camera import body_to_camera, camera_to_image, crop_camera, crop_window_around
from motion_imitate.geometry.view import limit_raster_size, view_of_vertices
from motion_imitate.types import Body, BodyModel, Camera, Rasterizer, Source, View

FACE_TURN = (15.0, 40.0)  # degrees from the photo's view of the head, over which the module takes over
FACE_SHOWN = (FACING, 2 * FACING)  # how directly a face looks into the camera, over which it appears
FACE_MARGIN = 0.4  # around the face's box, as a fraction of it: the mask fades out there
FACE_VIEW = 96  # pixels of the longer side of the raster by which landmarks are hidden


@dataclass(frozen=True)
class PosedBody:
    """A body in one pose, with its vertices and joints in the space of the camera."""

    model: BodyModel
    rasterize: Rasterizer
    body: Body
    vertices: Float[Tensor, "1 V 3"]
    joints: Float[Tensor, "1 J 3"]

    def see_face(self, camera: Camera, part: UInt8[Tensor, "h w C"]) -> View:
        """The body as a camera sees it whose picture is this part; the raster is small."""
        size = limit_raster_size((part.shape[0], part.shape[1]), FACE_VIEW)
        return view_of_vertices(self.vertices, self.joints, camera, self.model, self.rasterize, size)


@dataclass(frozen=True)
class TurnedFaces:
    """The face module, and what it needs of each photo of a person."""

    module: FaceModule
    keypoints: ViewKeypoints
    guides: Float[Tensor, "N 3 s s"]  # the photos' faces
    rays: Float[Tensor, "N 3"]  # from where the photos see the head, at rest

    @classmethod
    @torch.no_grad()
    def of(cls, source: Source, model: BodyModel, module: FaceModule) -> "TurnedFaces":
        """The faces of photos, with the bodies that were fitted to them."""
        keypoints, guides, rays = ViewKeypoints.of(model), list[Tensor](), list[Tensor]()
        for number in range(len(source)):
            photo = source[number : number + 1]
            box, turned = keypoints.read_face(photo.view)
            guides.append(crop_small_boxes(person_over_grey(photo), box, module.side) * (turned > FACING))
            rays.append(head_view(model, photo.body, photo.camera))
        return cls(module, keypoints, torch.cat(guides), torch.stack(rays))

    def share(self, number: int, ray: Float[Tensor, "3"]) -> float:
        """How far the module takes over from a photo where the head is seen from a direction, 0 to 1."""
        turn = torch.rad2deg(torch.acos((self.rays[number] @ ray).clamp(-1, 1)))
        return float(smooth_ramp(turn, *FACE_TURN))

    def draw_into(
        self,
        posed: PosedBody,
        draw: DrawPosed,
        picture: UInt8[Tensor, "H W C"],
        number: int,
        avatar: Avatar,
        vertices: Float[Tensor, "V 3"],
        camera: Camera,
    ) -> None:
        """Draw an avatar by `draw` over a picture, in place, and change its face where the head has turned."""
        draw(picture, number, avatar, vertices, camera)
        share = self.share(number, head_view(posed.model, posed.body, camera))
        if not share:
            return
        box, turned = self.keypoints.locate_face(camera_to_image(posed.vertices, camera)[:, posed.model.faces])
        share *= float(smooth_ramp(turned[0], *FACE_SHOWN))
        size = (picture.shape[0], picture.shape[1])
        window = crop_window_around(box.view(2, 2), size, FACE_MARGIN)
        if not share or window is None:
            return
        part, aimed = picture[window], crop_camera(camera, window, size)
        drawn = picture.new_zeros(part.shape[0], part.shape[1], 4)
        draw(drawn, number, avatar, vertices, aimed)
        colour, cover = (drawn.permute(2, 0, 1)[None].float() / 255).split([3, 1], 1)
        found = self.find_change((2 * colour - 1) * cover, posed.see_face(aimed, part), number)
        change = (share / 2 * found if picture.shape[2] == 4 else share / 2 * found * cover)[0]
        colours = part[..., :3]
        colours.copy_((colours.float() + 255 * change.permute(1, 2, 0) + 0.5).clamp(0, 255))

    def find_change(self, drawn: Float[Tensor, "1 3 h w"], view: View, number: int) -> Float[Tensor, "1 3 h w"]:
        """What the module adds to a picture of the face over grey, in [-1, 1]."""
        box, _ = self.keypoints.read_face(view)
        landmarks = draw_face_landmarks(*self.keypoints.read(view), box, self.module.side)
        made = self.module(self.guides[number : number + 1], landmarks)
        size = (drawn.shape[2], drawn.shape[3])
        change = paste_faces(made - crop_small_boxes(drawn, box, self.module.side), box, size)
        return change * soft_box_mask(box, size)


def head_view(model: BodyModel, body: Body, camera: Camera) -> Float[Tensor, "3"]:
    """The direction from which a camera sees the head, at rest."""
    head, parents = model.controls["head"][0], model.skin.parents
    turns = local_to_global(body.pose, parents)
    places = joint_places(turns, rest_shape(model.skin, body.shape)[1], parents)
    return trunk_view(turns[0, head], body_to_camera(places, camera)[0, head])
