"""DRN's face module by itself: draw a face from its landmarks, in the style of a photo's."""

from pathlib import Path

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_unshuffle

from motion_imitate.generators.detail_replenishing import (
    DETAIL_FORMS,
    DetailConfig,
    DetailModule,
    crop_boxes,
)
from motion_imitate.generators.pose_attention import build_stream_encoder
from motion_imitate.generators.pose_maps import FACE_LANDMARKS
from motion_imitate.weights import read_weights

BRANCH = "replenishing."  # begins the names of the weights that the module shares with DRN


class FaceModule(nn.Module):
    """The part of `ReplenishingBranch` that draws faces; its weights have the same names."""

    def __init__(self, how: DetailConfig) -> None:
        super().__init__()
        self.fold, self.side = how.pose.fold, how.face_side
        self.face, self.landmarks = DetailModule(3, how), build_stream_encoder(FACE_LANDMARKS, how.pose)

    def forward(
        self, guide: Float[Tensor, "B 3 s s"], landmarks: Float[Tensor, "B 11 s s"]
    ) -> Float[Tensor, "B 3 s s"]:
        """Faces over grey, in [-1, 1]."""
        return self.face(self.landmarks(pixel_unshuffle(landmarks, self.fold)), guide)


def load_face_module(weights: Path) -> FaceModule:
    """The face module of DRN's weights."""
    about, tensors = read_weights(weights)
    net = FaceModule(DETAIL_FORMS[about["form"]])
    net.load_state_dict(
        {
            name.removeprefix(BRANCH): value.float()
            for name, value in tensors.items()
            if name.startswith((f"{BRANCH}face.", f"{BRANCH}landmarks."))
        }
    )
    return net.eval()


def crop_small_boxes(
    pictures: Float[Tensor, "B C H W"], boxes: Float[Tensor, "B 4"], side: int
) -> Float[Tensor, "B C side side"]:
    """The boxes of pictures as small squares, of which each pixel is a mean over the picture's; zero outside."""
    height, width = pictures.shape[2:]
    across, down = ((boxes[:, 2:] - boxes[:, :2]) / 2).amax(0).tolist()
    scale = [min(1.0, side / max(share * count, 1.0)) for share, count in ((down, height), (across, width))]
    size = (max(1, round(height * scale[0])), max(1, round(width * scale[1])))
    return crop_boxes(interpolate(pictures, size, mode="bilinear", align_corners=False, antialias=True), boxes, side)
