"""The body's outline should lie on the outline of the person's mask."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import grid_sample

from motion_imitate.estimators.banded import Normal
from motion_imitate.estimators.rig import BENDS, Points, Rig, State
from motion_imitate.estimators.terms import bounded, plane
from motion_imitate.geometry.mesh import vertex_normals
from motion_imitate.types import Camera, Sighting

GRID = 256  # pixels along the square in which masks and outlines are compared


@dataclass(frozen=True)
class Outline:
    """Lengths are parts of the crop in which the person was found."""

    error: float = 0.004  # standard error of the mask's edge
    reach: float = 0.028  # farther than this from the mask's edge, a vertex has nothing to do with it
    rim: float = 0.006  # how near to the body's own outline a vertex counts as on it
    grazing: float = 0.3  # largest cosine between a normal and the line of sight on the rim
    most: int = 100  # vertices a frame
    inside: float = 0.35  # weight where the mask is larger than the body: that may be clothing
    hands: float = 0.2  # weight of the hands, whose fingers are not fitted


class Proxy:
    """A coarse mesh of the body, carried by its moving joints."""

    def __init__(self, rig: Rig, how: Outline = Outline()) -> None:
        self.rig, self.how = rig, how
        model = rig.model
        chosen = torch.nn.functional.one_hot(model.proxy_vertices.cpu(), len(model.skin.template)).float()
        self.points: Points = rig.points(chosen)
        self.faces = model.proxy_faces.cpu()
        wrists = [m + 1 for m, b in enumerate(rig.bend) if BENDS[b].startswith("wrist")]
        self.worth = 1 - (1 - how.hands) * self.points.share[:, wrists].sum(1).clamp(0, 1)

    def add(self, normal: Normal, state: State, shape: Tensor, edges: "Edges", rows: Tensor, strength: float) -> None:
        """Add the outline's errors in the frames `rows`, which `edges` belong to."""
        rig, some = self.rig, state[rows]
        turns, places = rig.pose(some, shape[None])
        arms = self.points.shaped(shape[None])[0]
        at = torch.einsum("tmab,kmb->tka", turns, arms) + self.points.share @ places
        away, slope, weight = self.compare(at, edges)
        picked = weight.topk(self.how.most, dim=1).indices  # [t, n]
        weight = weight.gather(1, picked)
        error = away.gather(1, picked) / self.how.error
        weight = strength * weight * bounded(error * error, 9.0)
        weight = weight * torch.where(error < 0, self.how.inside, 1.0)
        slope = slope.take_along_dim(picked[..., None], 1) / self.how.error  # of the error along the picture plane
        at, rate = rig.rates(self.points.share[picked], arms[picked], some, turns, places)
        shape_rate = rig.shape_rates(self.points, turns, picked)
        by_step = (slope[..., None, :] @ plane(at, rate)[1])[..., 0, :]
        by_shape = (slope[..., None, :] @ plane(at, shape_rate)[1])[..., 0, :]
        normal.add(error, by_step, weight, by_shape, rows)

    def compare(self, at: Float[Tensor, "t P 3"], edges: "Edges") -> tuple[Tensor, Tensor, Tensor]:
        """Of every vertex: its distance from the mask's edge (in crops, outside positive), that distance's slope along
        the picture plane, and how well it serves to compare the two outlines."""
        aim = at[..., :2] / at[..., 2:]
        pixel = edges.pixels(aim)
        away, slope = look_up(edges.distance, pixel)
        own, _ = look_up(distances(filled(pixel, self.faces)), pixel)
        normals = vertex_normals(at, self.faces)
        grazing = ((normals * at).sum(-1) / at.norm(dim=-1)).abs()
        outward = edges.directions(normals[..., :2] - aim * normals[..., 2:])
        agree = (torch.nn.functional.normalize(slope, dim=-1) * outward).sum(-1)
        how = self.how
        good = (grazing < how.grazing) & (own.abs() < how.rim) & (away.abs() < how.reach) & (agree > 0.6)
        return away, edges.slopes(slope), good * self.worth * (1.01 - grazing)


@dataclass(frozen=True)
class Edges:
    """The edges of people's masks in some frames, in a square of GRID pixels over each frame's crop."""

    distance: Float[Tensor, "t h w"]  # from the edge, in crops, negative inside
    crop: Float[Tensor, "t 2 3"]  # as of the Sighting
    focal: Float[Tensor, "t 2"]
    centre: Float[Tensor, "t 2"]

    @staticmethod
    def of(seen: Sighting, camera: Camera) -> "Edges":
        masks = torch.from_numpy(np.stack([cv2.resize(m, (GRID, GRID)) for m in seen.mask.numpy()])) / 255.0
        return Edges(distances(masks), seen.crop.double(), camera.focal.double(), camera.centre.double())

    def pixels(self, aim: Float[Tensor, "t P 2"]) -> Float[Tensor, "t P 2"]:
        image = aim * self.focal[:, None] + self.centre[:, None]
        inside = torch.linalg.solve(self.crop[..., :2], (image - self.crop[:, None, :, 2]).mT).mT
        return (inside + 1) * GRID / 2 - 0.5

    def directions(self, plane: Float[Tensor, "t P 2"]) -> Float[Tensor, "t P 2"]:
        """Directions in the picture plane as directions in the square, of unit length."""
        turned = torch.linalg.solve(self.crop[..., :2], (plane * self.focal[:, None]).mT).mT
        return torch.nn.functional.normalize(turned, dim=-1)

    def slopes(self, slope: Float[Tensor, "t P 2"]) -> Float[Tensor, "t P 2"]:
        """A slope per pixel of the square as one along the picture plane."""
        return torch.linalg.solve(self.crop[..., :2].mT, slope.mT).mT * self.focal[:, None] * GRID / 2


def filled(pixel: Float[Tensor, "t P 2"], faces: Int[Tensor, "Q 3"]) -> Float[Tensor, "t h w"]:
    """Where a mesh covers the square."""
    fixed = (pixel[:, faces].numpy() * 16).round().astype(np.int32)  # cv2 counts in sixteenths of pixels
    pictures = np.zeros((len(pixel), GRID, GRID), np.uint8)
    for picture, triangles in zip(pictures, fixed, strict=True):
        for triangle in triangles:
            cv2.fillConvexPoly(picture, triangle, 1, shift=4)
    return torch.from_numpy(pictures).double()


def distances(masks: Float[Tensor, "t h w"]) -> Float[Tensor, "t h w"]:
    """Signed distance from the edge at one half, in parts of the picture; negative inside."""
    out = []
    for mask in masks.numpy() > 0.5:
        outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
        inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
        out.append(cv2.GaussianBlur(np.where(mask, 0.5 - inside, outside - 0.5).astype(np.float32), (0, 0), 0.8))
    return torch.from_numpy(np.stack(out)).double() / masks.shape[1]


def look_up(field: Float[Tensor, "t h w"], pixel: Float[Tensor, "t P 2"]) -> tuple[Tensor, Tensor]:
    """The field at pixels, and its slope there per pixel."""

    def read(dx: float, dy: float) -> Tensor:
        where = (pixel + torch.tensor([dx, dy]) + 0.5) * 2 / field.shape[1] - 1
        return grid_sample(field[:, None], where[:, None], padding_mode="border", align_corners=False)[:, 0, 0]

    slope = [(read(1.0, 0.0) - read(-1.0, 0.0)) / 2, (read(0.0, 1.0) - read(0.0, -1.0)) / 2]
    return read(0.0, 0.0), torch.stack(slope, -1)
