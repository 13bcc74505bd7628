"""Silhouette term of the fit: the body's outline should lie on the outline of the person's mask."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import grid_sample

from motion_imitate.estimators.banded import NormalEquations
from motion_imitate.estimators.rig import BENDS, PoseState, Rig, RiggedPoints
from motion_imitate.estimators.terms import geman_mcclure_weight, project_with_rates
from motion_imitate.geometry.mesh import vertex_normals
from motion_imitate.types import Camera, Sighting

OUTLINE_GRID = 256  # pixels per side of the grid in which masks and outlines are compared


@dataclass(frozen=True)
class OutlineFitting:
    """Settings of the silhouette term; lengths are fractions of the crop in which the person was found."""

    error: float = 0.004  # standard error of the mask's edge
    reach: float = 0.028  # vertices farther than this from the mask's edge are ignored
    rim: float = 0.006  # vertices nearer than this to the body's own outline count as on it
    grazing: float = 0.3  # largest cosine between the normal and the line of sight on the outline
    most: int = 100  # most vertices per frame
    inside: float = 0.35  # weight where the mask is larger than the body, which may be clothing
    hands: float = 0.2  # weight of the hands, whose fingers are not fitted


class ProxyMesh:
    """A coarse mesh of the body, carried by the rig's joints."""

    def __init__(self, rig: Rig, how: OutlineFitting = OutlineFitting()) -> None:
        self.rig, self.how = rig, how
        model = rig.model
        chosen = torch.nn.functional.one_hot(model.proxy_vertices.cpu(), len(model.skin.template)).float()
        self.points: RiggedPoints = rig.points(chosen)
        self.faces = model.proxy_faces.cpu()
        wrists = [m + 1 for m, b in enumerate(rig.bend) if BENDS[b].startswith("wrist")]
        self.worth = 1 - (1 - how.hands) * self.points.share[:, wrists].sum(1).clamp(0, 1)

    def add(
        self,
        normal: NormalEquations,
        state: PoseState,
        shape: Tensor,
        edges: "MaskEdges",
        rows: Tensor,
        strength: float,
    ) -> None:
        """Add the silhouette term of the frames `rows`, to which `edges` belong."""
        rig, some = self.rig, state[rows]
        turns, places = rig.pose(some, shape[None])
        arms = self.points.arms_for_shape(shape[None])[0]
        at = torch.einsum("tmab,kmb->tka", turns, arms) + self.points.share @ places
        away, slope, weight = self.compare(at, edges)
        picked = weight.topk(self.how.most, dim=1).indices  # [t, n]
        weight = weight.gather(1, picked)
        error = away.gather(1, picked) / self.how.error
        weight = strength * weight * geman_mcclure_weight(error * error, 9.0)
        weight = weight * torch.where(error < 0, self.how.inside, 1.0)
        slope = slope.take_along_dim(picked[..., None], 1) / self.how.error  # of the error along the image plane
        at, rate = rig.rates(self.points.share[picked], arms[picked], some, turns, places)
        shape_rate = rig.shape_rates(self.points, turns, picked)
        by_step = (slope[..., None, :] @ project_with_rates(at, rate)[1])[..., 0, :]
        by_shape = (slope[..., None, :] @ project_with_rates(at, shape_rate)[1])[..., 0, :]
        normal.add(error, by_step, weight, by_shape, rows)

    def compare(self, at: Float[Tensor, "t P 3"], edges: "MaskEdges") -> tuple[Tensor, Tensor, Tensor]:
        """For every vertex: its signed distance to the mask's edge (in crops, positive outside), that distance's slope
        along the image plane, and its weight in the comparison of the two outlines."""
        aim = at[..., :2] / at[..., 2:]
        pixel = edges.pixels(aim)
        away, slope = sample_distance_field(edges.distance, pixel)
        own, _ = sample_distance_field(signed_edge_distances(rasterize_silhouettes(pixel, self.faces)), pixel)
        normals = vertex_normals(at, self.faces)
        grazing = ((normals * at).sum(-1) / at.norm(dim=-1)).abs()
        outward = edges.directions(normals[..., :2] - aim * normals[..., 2:])
        agree = (torch.nn.functional.normalize(slope, dim=-1) * outward).sum(-1)
        how = self.how
        good = (grazing < how.grazing) & (own.abs() < how.rim) & (away.abs() < how.reach) & (agree > 0.6)
        return away, edges.slopes(slope), good * self.worth * (1.01 - grazing)


@dataclass(frozen=True)
class MaskEdges:
    """Edges of the masks of some frames, on a grid of OUTLINE_GRID pixels a side over each frame's crop."""

    distance: Float[Tensor, "t h w"]  # signed, from the edge, in crops; negative inside
    crop: Float[Tensor, "t 2 3"]  # as in Sighting
    focal: Float[Tensor, "t 2"]
    centre: Float[Tensor, "t 2"]

    @staticmethod
    def of(seen: Sighting, camera: Camera) -> "MaskEdges":
        """The edges of the masks of some sightings."""
        masks = (
            torch.from_numpy(np.stack([cv2.resize(m, (OUTLINE_GRID, OUTLINE_GRID)) for m in seen.mask.numpy()])) / 255.0
        )
        return MaskEdges(
            signed_edge_distances(masks), seen.crop.double(), camera.focal.double(), camera.centre.double()
        )

    def pixels(self, aim: Float[Tensor, "t P 2"]) -> Float[Tensor, "t P 2"]:
        """Points of the image plane (x / z, y / z) as pixels of the grid."""
        image = aim * self.focal[:, None] + self.centre[:, None]
        inside = torch.linalg.solve(self.crop[..., :2], (image - self.crop[:, None, :, 2]).mT).mT
        return (inside + 1) * OUTLINE_GRID / 2 - 0.5

    def directions(self, plane: Float[Tensor, "t P 2"]) -> Float[Tensor, "t P 2"]:
        """Directions in the image plane as unit directions in the grid."""
        turned = torch.linalg.solve(self.crop[..., :2], (plane * self.focal[:, None]).mT).mT
        return torch.nn.functional.normalize(turned, dim=-1)

    def slopes(self, slope: Float[Tensor, "t P 2"]) -> Float[Tensor, "t P 2"]:
        """A slope per pixel of the grid as one along the image plane."""
        return torch.linalg.solve(self.crop[..., :2].mT, slope.mT).mT * self.focal[:, None] * OUTLINE_GRID / 2


def rasterize_silhouettes(pixel: Float[Tensor, "t P 2"], faces: Int[Tensor, "Q 3"]) -> Float[Tensor, "t h w"]:
    """Masks of the grid's pixels that a mesh covers."""
    fixed = (pixel[:, faces].numpy() * 16).round().astype(np.int32)  # fixed point, in sixteenths of a pixel
    pictures = np.zeros((len(pixel), OUTLINE_GRID, OUTLINE_GRID), np.uint8)
    for picture, triangles in zip(pictures, fixed, strict=True):
        for triangle in triangles:
            cv2.fillConvexPoly(picture, triangle, 1, shift=4)
    return torch.from_numpy(pictures).double()


def signed_edge_distances(masks: Float[Tensor, "t h w"]) -> Float[Tensor, "t h w"]:
    """Signed distance from the edge at one half, as a fraction of the mask's size; negative inside."""
    out = []
    for mask in masks.numpy() > 0.5:
        outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
        inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
        out.append(cv2.GaussianBlur(np.where(mask, 0.5 - inside, outside - 0.5).astype(np.float32), (0, 0), 0.8))
    return torch.from_numpy(np.stack(out)).double() / masks.shape[1]


def sample_distance_field(field: Float[Tensor, "t h w"], pixel: Float[Tensor, "t P 2"]) -> tuple[Tensor, Tensor]:
    """The field at pixels, interpolated, and its slope there per pixel."""

    def read(dx: float, dy: float) -> Tensor:
        where = (pixel + torch.tensor([dx, dy]) + 0.5) * 2 / field.shape[1] - 1
        return grid_sample(field[:, None], where[:, None], padding_mode="border", align_corners=False)[:, 0, 0]

    slope = [(read(1.0, 0.0) - read(-1.0, 0.0)) / 2, (read(0.0, 1.0) - read(0.0, -1.0)) / 2]
    return read(0.0, 0.0), torch.stack(slope, -1)
