"""Faces in a picture: where they are, 468 points on each, and whose they are."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from motion_imitate.estimators.identity import SIZE, Identity
from motion_imitate.estimators.nets import load_net
from motion_imitate.estimators.roi import Floats, Picture, Roi, crop, picture
from motion_imitate.estimators.ssd import Found, Layout, detect, sigmoid

DETECTOR = Layout(128, ((8, 2), (16, 6)))
MESH = 192  # pixels of the picture in which points are found
MARGIN = 1.5
RIGHT_EYE, LEFT_EYE = [33, 133, 159, 145], [263, 362, 386, 374]
MEAN_FACE = {  # where these points lie in the square of the identity network's mean face: corners of eyes, mouth; nose
    33: (0.1217, 0.2164),
    133: (0.3346, 0.2317),
    362: (0.6456, 0.2317),
    263: (0.8585, 0.2164),
    61: (0.2541, 0.7802),
    291: (0.7261, 0.7802),
    2: (0.4901, 0.6281),
}
PADDING = 0.25  # of that square, on each side
HEAD = slice(0, 11)  # the pose network's points on the head


@dataclass(frozen=True)
class Sureness:
    detect: float = 0.5  # least score of a detection
    presence: float = 0.5  # least presence of a face whose points are believed
    pixels: float = 80.0  # least height of such a face


@dataclass(frozen=True)
class Face:
    points: Float[Tensor, "468 2"]  # image points
    presence: float  # how surely there is a face
    pixels: float  # its extent in the picture's pixels


class FaceNets:
    """May be called from several threads at once."""

    def __init__(
        self, how: Sureness = Sureness(), device: torch.device | str = "cpu", runtime: str = "auto", threads: int = 1
    ) -> None:
        self.how = how
        self.detector = load_net("face_detector", device, runtime, threads)
        self.mesh = load_net("face_landmarks", device, runtime, threads)
        self.identity = Identity(device)

    def find(self, image: Float[Tensor, "3 H W"], person: Float[Tensor, "K 2"] | None = None) -> Face | None:
        """The largest face that is large and clear enough; the `person`'s, if their pose network's points are given."""
        part, shift, scale = (image, 0, 1.0) if person is None else cut_head(image, person)
        faces = [self.landmarks(part, found) for found in self.detect(part)] if min(part.shape[1:]) > 8 else []
        sure = [f for f in faces if f.presence > self.how.presence and f.pixels >= self.how.pixels]
        if not sure:
            return None
        face = max(sure, key=lambda f: f.pixels)
        return Face(face.points * scale + shift, face.presence, face.pixels)

    def detect(self, image: Float[Tensor, "3 H W"]) -> list[Found]:
        """Faces that fill a tenth of the picture, in its pixels; points: right eye, left eye, nose, mouth, ears."""
        return detect(self.detector, DETECTOR, bytes_of(image), self.how.detect)

    def landmarks(self, image: Float[Tensor, "3 H W"], found: Found) -> Face:
        pixels = bytes_of(image)
        side = float(np.max(found.box[2:] - found.box[:2]))
        centre = (found.box[:2] + found.box[2:]) / 2
        points, _ = self.look(pixels, square(centre, MARGIN * side, found.points[1] - found.points[0]))
        low, high = points.min(0), points.max(0)
        tilt = points[LEFT_EYE].mean(0) - points[RIGHT_EYE].mean(0)
        extent = float(np.max(high - low))
        points, presence = self.look(pixels, square((low + high) / 2, MARGIN * extent, tilt))
        half = np.array([pixels.shape[1] / 2, pixels.shape[0] / 2], np.float32)
        return Face(torch.from_numpy(points / half - 1), presence, float(np.max(np.ptp(points, axis=0))))

    def look(self, image: Picture, roi: Roi) -> tuple[Floats, float]:
        part = (crop(image, roi, MESH) / np.float32(255)).astype(np.float32)
        points, presence = self.mesh(part[None])
        return roi.out(points.reshape(468, 3)[:, :2], MESH), float(sigmoid(presence.ravel())[0])


def bytes_of(image: Float[Tensor, "3 H W"]) -> Picture:
    return picture((image.detach().cpu().clamp(0, 1) * 255 + 0.5).byte())


def square(centre: NDArray[np.floating], side: float, right: Floats) -> Roi:
    """A square that is turned so that the direction `right` points right in it."""
    return Roi(float(centre[0]), float(centre[1]), side, math.atan2(float(right[1]), float(right[0])))


def cut_head(
    image: Float[Tensor, "3 H W"], person: Float[Tensor, "K 2"]
) -> tuple[Float[Tensor, "3 h w"], Float[Tensor, " 2"], Float[Tensor, " 2"]]:
    """The picture round a person's head, and what takes its image points to the whole picture's: a shift, a scale."""
    half = torch.tensor([image.shape[2] / 2, image.shape[1] / 2])
    head = (person[HEAD].cpu() + 1) * half
    centre = head.mean(0)
    reach = 3 * (head - centre).norm(dim=1).max()
    low = (centre - reach).clamp(min=0).minimum(2 * half).int()
    high = (centre + reach).clamp(min=0).minimum(2 * half).ceil().int()
    part = image[:, low[1] : high[1], low[0] : high[0]]
    return part, (low + high) / 2 / half - 1, (high - low) / 2 / half


def chips(images: Float[Tensor, "B 3 H W"], points: Float[Tensor, "B 468 2"]) -> Float[Tensor, "B 3 150 150"]:
    """Faces cut out upright and at one size, as `Identity` wants them. Differentiable in the images."""
    return torch.cat([chip(i[None], p) for i, p in zip(images, points, strict=True)])


def chip(image: Float[Tensor, "1 3 H W"], points: Float[Tensor, "468 2"]) -> Float[Tensor, "1 3 150 150"]:
    half = image.new_tensor([image.shape[3] / 2, image.shape[2] / 2])
    linear, centre = similarity((points[list(MEAN_FACE)].to(image) + 1) * half)
    step = int(linear[:, 0].norm() * 2 / SIZE)
    if step > 1:  # else pixels would be skipped
        image = F.avg_pool2d(image, step, ceil_mode=True, count_include_pad=False)
        half = image.new_tensor([image.shape[3] / 2, image.shape[2] / 2])
        linear, centre = linear / step, centre / step
    matrix = torch.cat([linear / half[:, None], (centre / half - 1)[:, None]], dim=1)
    grid = F.affine_grid(matrix[None], [1, 3, SIZE, SIZE], align_corners=False)
    return F.grid_sample(image, grid, align_corners=False)


def similarity(face: Float[Tensor, "7 2"]) -> tuple[Float[Tensor, "2 2"], Float[Tensor, " 2"]]:
    """The turn with scale, and the shift, that best take the mean face, in image points of its picture, to a face."""
    mean = 2 * (face.new_tensor(list(MEAN_FACE.values())) + PADDING) / (1 + 2 * PADDING) - 1
    middle, spread = mean.mean(0), mean - mean.mean(0)
    along = (spread * (face - face.mean(0))).sum() / spread.square().sum()
    cross = (spread[:, 0] * face[:, 1] - spread[:, 1] * face[:, 0]).sum() / spread.square().sum()
    linear = torch.stack([torch.stack([along, -cross]), torch.stack([cross, along])])
    return linear, face.mean(0) - linear @ middle
