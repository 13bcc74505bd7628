"""Faces in an image: detection, 468 landmarks each, and aligned crops for the identity network."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from motion_imitate.estimators.identity import FACE_CHIP_SIZE, FaceIdentityNet
from motion_imitate.estimators.nets import load_net
from motion_imitate.estimators.roi import RgbImage, Roi, RoiFloats, crop_roi, frame_to_rgb
from motion_imitate.estimators.ssd import AnchorLayout, SsdDetection, run_detector, sigmoid_array

FACE_DETECTOR_LAYOUT = AnchorLayout(128, ((8, 2), (16, 6)))
FACE_MESH_SIZE = 192  # pixels per side of the landmark network's input
FACE_CROP_MARGIN = 1.5
RIGHT_EYE, LEFT_EYE = [33, 133, 159, 145], [263, 362, 386, 374]
MEAN_FACE = {  # positions of landmarks in the mean face of the identity network: corners of the eyes and mouth, nose
    33: (0.1217, 0.2164),
    133: (0.3346, 0.2317),
    362: (0.6456, 0.2317),
    263: (0.8585, 0.2164),
    61: (0.2541, 0.7802),
    291: (0.7261, 0.7802),
    2: (0.4901, 0.6281),
}
MEAN_FACE_PADDING = 0.25  # on each side of the mean face's square, as a fraction of it
HEAD_LANDMARKS = slice(0, 11)  # the pose network's landmarks on the head


@dataclass(frozen=True)
class FaceThresholds:
    """Thresholds from which a face is accepted."""

    detect: float = 0.5  # least score of a detected face
    presence: float = 0.5  # least presence of a face whose landmarks are used
    pixels: float = 80.0  # least height of such a face


@dataclass(frozen=True)
class FaceLandmarks:
    """The landmarks of one face."""

    points: Float[Tensor, "468 2"]  # image points
    presence: float  # probability that there is a face
    pixels: float  # its longer extent in pixels of the image


class FaceNets:
    """The face detector, the landmark network and the identity network. Safe to call from several threads."""

    def __init__(
        self,
        how: FaceThresholds = FaceThresholds(),
        device: torch.device | str = "cpu",
        runtime: str = "auto",
        threads: int = 1,
    ) -> None:
        self.how = how
        self.detector = load_net("face_detector", device, runtime, threads)
        self.mesh = load_net("face_landmarks", device, runtime, threads)
        self.identity = FaceIdentityNet(device)

    def find(self, image: Float[Tensor, "3 H W"], person: Float[Tensor, "K 2"] | None = None) -> FaceLandmarks | None:
        """The largest face that passes the thresholds; with `person`, their pose landmarks, only their face is
        considered."""
        part, shift, scale = (image, 0, 1.0) if person is None else crop_head(image, person)
        faces = [self.landmarks(part, found) for found in self.detect(part)] if min(part.shape[1:]) > 8 else []
        sure = [f for f in faces if f.presence > self.how.presence and f.pixels >= self.how.pixels]
        if not sure:
            return None
        face = max(sure, key=lambda f: f.pixels)
        return FaceLandmarks(face.points * scale + shift, face.presence, face.pixels)

    def detect(self, image: Float[Tensor, "3 H W"]) -> list[SsdDetection]:
        """Faces that fill a tenth of the image or more; the points are right eye, left eye, nose, mouth and ears, in
        pixels."""
        return run_detector(self.detector, FACE_DETECTOR_LAYOUT, image_to_uint8(image), self.how.detect)

    def landmarks(self, image: Float[Tensor, "3 H W"], found: SsdDetection) -> FaceLandmarks:
        """The landmarks of a detected face, refined by a second pass over a tighter crop."""
        pixels = image_to_uint8(image)
        side = float(np.max(found.box[2:] - found.box[:2]))
        centre = (found.box[:2] + found.box[2:]) / 2
        points, _ = self.look(
            pixels, rotated_square_roi(centre, FACE_CROP_MARGIN * side, found.points[1] - found.points[0])
        )
        low, high = points.min(0), points.max(0)
        tilt = points[LEFT_EYE].mean(0) - points[RIGHT_EYE].mean(0)
        extent = float(np.max(high - low))
        points, presence = self.look(pixels, rotated_square_roi((low + high) / 2, FACE_CROP_MARGIN * extent, tilt))
        half = np.array([pixels.shape[1] / 2, pixels.shape[0] / 2], np.float32)
        return FaceLandmarks(torch.from_numpy(points / half - 1), presence, float(np.max(np.ptp(points, axis=0))))

    def look(self, image: RgbImage, roi: Roi) -> tuple[RoiFloats, float]:
        """Landmarks in the image's pixels, and the probability that the crop shows a face."""
        part = (crop_roi(image, roi, FACE_MESH_SIZE) / np.float32(255)).astype(np.float32)
        points, presence = self.mesh(part[None])
        return roi.out(points.reshape(468, 3)[:, :2], FACE_MESH_SIZE), float(sigmoid_array(presence.ravel())[0])


def image_to_uint8(image: Float[Tensor, "3 H W"]) -> RgbImage:
    """An image with values from 0 to 1 as 8-bit RGB."""
    return frame_to_rgb((image.detach().cpu().clamp(0, 1) * 255 + 0.5).byte())


def rotated_square_roi(centre: NDArray[np.floating], side: float, right: RoiFloats) -> Roi:
    """A square crop rotated so that the direction `right` points right in it."""
    return Roi(float(centre[0]), float(centre[1]), side, math.atan2(float(right[1]), float(right[0])))


def crop_head(
    image: Float[Tensor, "3 H W"], person: Float[Tensor, "K 2"]
) -> tuple[Float[Tensor, "3 h w"], Float[Tensor, " 2"], Float[Tensor, " 2"]]:
    """The part of the image around a person's head, and the shift and scale from its image points to the whole
    image's."""
    half = torch.tensor([image.shape[2] / 2, image.shape[1] / 2])
    head = (person[HEAD_LANDMARKS].cpu() + 1) * half
    centre = head.mean(0)
    reach = 3 * (head - centre).norm(dim=1).max()
    low = (centre - reach).clamp(min=0).minimum(2 * half).int()
    high = (centre + reach).clamp(min=0).minimum(2 * half).ceil().int()
    part = image[:, low[1] : high[1], low[0] : high[0]]
    return part, (low + high) / 2 / half - 1, (high - low) / 2 / half


def align_faces(images: Float[Tensor, "B 3 H W"], points: Float[Tensor, "B 468 2"]) -> Float[Tensor, "B 3 150 150"]:
    """Face crops, upright and at one size, as the identity network takes them. Differentiable in the images."""
    return torch.cat([align_face(i[None], p) for i, p in zip(images, points, strict=True)])


def align_face(image: Float[Tensor, "1 3 H W"], points: Float[Tensor, "468 2"]) -> Float[Tensor, "1 3 150 150"]:
    """One aligned face crop; large faces are downsampled by area first."""
    half = image.new_tensor([image.shape[3] / 2, image.shape[2] / 2])
    linear, centre = mean_face_similarity((points[list(MEAN_FACE)].to(image) + 1) * half)
    step = int(linear[:, 0].norm() * 2 / FACE_CHIP_SIZE)
    if step > 1:  # bilinear sampling alone would skip pixels
        image = F.avg_pool2d(image, step, ceil_mode=True, count_include_pad=False)
        half = image.new_tensor([image.shape[3] / 2, image.shape[2] / 2])
        linear, centre = linear / step, centre / step
    matrix = torch.cat([linear / half[:, None], (centre / half - 1)[:, None]], dim=1)
    grid = F.affine_grid(matrix[None], [1, 3, FACE_CHIP_SIZE, FACE_CHIP_SIZE], align_corners=False)
    return F.grid_sample(image, grid, align_corners=False)


def mean_face_similarity(face: Float[Tensor, "7 2"]) -> tuple[Float[Tensor, "2 2"], Float[Tensor, " 2"]]:
    """The similarity transform (matrix, shift) that best maps the mean face, in its crop's image points, to a face."""
    mean = 2 * (face.new_tensor(list(MEAN_FACE.values())) + MEAN_FACE_PADDING) / (1 + 2 * MEAN_FACE_PADDING) - 1
    middle, spread = mean.mean(0), mean - mean.mean(0)
    along = (spread * (face - face.mean(0))).sum() / spread.square().sum()
    cross = (spread[:, 0] * face[:, 1] - spread[:, 1] * face[:, 0]).sum() / spread.square().sum()
    linear = torch.stack([torch.stack([along, -cross]), torch.stack([cross, along])])
    return linear, face.mean(0) - linear @ middle
