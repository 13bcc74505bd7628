"""Hair and cloth that stick out of the mesh: carried along by what they stick out of."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motion_imitate.geometry.flow import sample_nearest, warp_image


@dataclass(frozen=True)
class FringeSettings:
    reach: float = 0.05  # how far something may stick out, in parts of the view's longer side
    edge: float = 0.005  # how far from both outlines what it sticks out from may be
    apart: float = 0.015  # of the photo; limbs that would take a pixel to places farther apart than that part there
    least: float = 0.05  # of the matte
    alike: float = 0.8  # of 1; how like itself in the photo a limb must look for anything to stick out of it


@dataclass(frozen=True)
class BodySurroundings:
    """A photo's surroundings of the body, at the size of its view."""

    bare: Float[Tensor, "N h w"]  # 1 where no body is
    rim: Float[Tensor, "N h w"]  # 1 there and close by
    limb: Float[Tensor, "N h w"]  # the nearest limb
    matte: Float[Tensor, "N 1 H W"]

    @staticmethod
    def of(limbs: Int[Tensor, "N h w"], matte: Float[Tensor, "N 1 H W"], how: FringeSettings) -> "BodySurroundings":
        """`limbs` are the limbs that are seen, -1 where none is."""
        edge = pixels_of_part(how.edge, limbs)
        bare = (limbs < 0).float()
        rim = torch.nn.functional.max_pool2d(bare, 2 * edge + 1, 1, edge)
        filled = [each.flatten()[closest_wanted_pixels(each >= 0)[0]].view(each.shape) for each in limbs]
        return BodySurroundings(bare, rim, torch.stack(filled).float(), matte)


@dataclass(frozen=True)
class LimbPlacements:
    """Where photos show the vertices of each limb."""

    middle: Float[Tensor, "N L 2"]
    off: Float[Tensor, "N V 2"]  # pixels from their limb's middle
    size: Float[Tensor, "2"]  # of the photos: width and height
    mean: Float[Tensor, "L V"]  # what a mean over a limb's vertices is made of

    @staticmethod
    def of(at: Float[Tensor, "N V 2"], limb: Int[Tensor, " V"], size: tuple[int, int]) -> "LimbPlacements":
        member = torch.nn.functional.one_hot(limb).mT.float()
        mean = member / member.sum(1, keepdim=True).clamp(min=1)
        middle, wide = mean @ at, at.new_tensor([size[1], size[0]])
        return LimbPlacements(middle, (at - middle[:, limb]) * wide, wide, mean)


@dataclass(frozen=True)
class LimbTransforms:
    """For each limb, the turn, scale and shift that take the view's image points to each photo's."""

    turn: Float[Tensor, "N L 2 2"]
    here: Float[Tensor, "L 2"]
    there: Float[Tensor, "N L 2"]
    like: Float[Tensor, "N L"]  # 1 where turn, scale and shift alone take all of a limb's vertices there, 0 where none

    @staticmethod
    def of(
        now: Float[Tensor, "V 2"], then: LimbPlacements, limb: Int[Tensor, " V"], size: tuple[int, int]
    ) -> "LimbTransforms":
        """From where a view of (height, width) shows vertices to where photos do."""
        wide = now.new_tensor([size[1], size[0]])
        here = then.mean @ now
        x, y = (now - here[limb]) * wide, then.off
        power = (then.mean @ (x * x).sum(-1)).clamp(min=1e-9)
        cross = x[:, 0] * y[..., 1] - x[:, 1] * y[..., 0]
        along, across, theirs = (then.mean @ torch.stack([(x * y).sum(-1), cross, (y * y).sum(-1)], -1)).unbind(-1)
        like = (along.square() + across.square()) / (power * theirs.clamp(min=1e-9))
        turn = torch.stack([torch.stack([along, -across], -1), torch.stack([across, along], -1)], -2)
        return LimbTransforms(turn / power[:, None, None] * (wide / then.size[:, None]), here, then.middle, like)

    def stepped(self, limb: Int[Tensor, " P"], step: Float[Tensor, "P 2"]) -> Float[Tensor, "N P 2"]:
        return torch.einsum("npab,pb->npa", self.turn[:, limb], step)

    def taken(self, limb: Int[Tensor, "N P"], at: Float[Tensor, "P 2"]) -> Float[Tensor, "N P 2"]:
        photo = torch.arange(len(self.there))[:, None]
        moved = torch.einsum("npab,npb->npa", self.turn[photo, limb], at - self.here[limb])
        return self.there[photo, limb] + moved


@dataclass(frozen=True)
class VisibleBodyPixels:
    """The body as a view shows it, in P pixels."""

    cell: Int[Tensor, "H W"]  # which of them it is, -1 for none
    inner: Float[Tensor, "H W"]  # pixels from where the body is not
    limb: Int[Tensor, " P"]
    flow: Float[Tensor, "N P 2"]
    trust: Float[Tensor, "N P"]


@dataclass(frozen=True)
class FringePixels:
    where: Int[Tensor, " E"]  # pixels of the view, by number
    root: Int[Tensor, " E"]  # what each sticks out of, among the body's pixels
    flow: Float[Tensor, "N E 2"]
    trust: Float[Tensor, "N E"]


def carry_fringe(
    around: BodySurroundings, carry: LimbTransforms, skin: VisibleBodyPixels, how: FringeSettings
) -> FringePixels:
    """What sticks out of a body, each pixel from one photo."""
    body = skin.cell >= 0
    height, width = body.shape
    sure = body.flatten().clone()
    sure[body.flatten()] = skin.trust.amax(0) > 0.5
    root, far = closest_wanted_pixels(sure.view(height, width))
    edge = skin.inner.flatten()[root].view(height, width) <= pixels_of_part(how.edge, body)
    where = (~body & (far <= how.reach * max(body.shape)) & edge).flatten().nonzero()[:, 0]
    at, start = (pixel_centre_points(number, height, width) for number in (where, root[where]))
    root = skin.cell.flatten()[root[where]].clamp(min=0)
    limb, origin = skin.limb[root], skin.flow[:, root]
    there = origin + carry.stepped(limb, at - start)
    other = sample_nearest(around.limb, there[:, None])[:, 0].long()
    apart = (carry.taken(other, at) - carry.taken(limb.expand_as(other), at)).norm(dim=-1)
    worth = skin.trust[:, root] * warp_image(around.matte, there[:, None])[:, 0, 0] * (apart <= 2 * how.apart)
    worth = (
        worth * sample_nearest(around.bare, there[:, None])[:, 0] * sample_nearest(around.rim, origin[:, None])[:, 0]
    )
    worth = worth * (carry.like[:, limb] > how.alike)
    held = pixels_attached_to_body(where[worth.amax(0) > how.least], body)
    kept = torch.isin(where, held)
    chosen = torch.nn.functional.one_hot(worth.argmax(0), len(worth)).mT.to(worth)
    return FringePixels(where[kept], root[kept], there[:, kept], chosen[:, kept])


def pixels_of_part(part: float, view: Tensor) -> int:
    """A part of a view's longer side, at least one."""
    return max(1, round(part * max(view.shape[-2:])))


def pixel_centre_points(number: Int[Tensor, " P"], height: int, width: int) -> Float[Tensor, "P 2"]:
    """Image points of pixels' centres."""
    pixel = torch.stack([number % width, number // width], -1) + 0.5
    return pixel * pixel.new_tensor([2 / width, 2 / height]) - 1


def closest_wanted_pixels(wanted: Bool[Tensor, "H W"]) -> tuple[Int[Tensor, " HW"], Float[Tensor, "H W"]]:
    """Each pixel's nearest one that is wanted, by its number, and how far that is; 0 and infinity if none is."""
    mask = wanted.numpy().astype(np.uint8)
    if not mask.any():
        return torch.zeros(wanted.numel(), dtype=torch.int64), torch.full(wanted.shape, torch.inf)
    far, label = cv2.distanceTransformWithLabels(1 - mask, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    numbers = np.zeros(label.max() + 1, np.int64)
    numbers[label[mask > 0]] = np.flatnonzero(mask)
    return torch.from_numpy(numbers[label]).flatten(), torch.from_numpy(far)


def close_cover_cracks(covered: Bool[Tensor, "H W"]) -> Bool[Tensor, "H W"]:
    """Without the cracks."""
    mask = covered.numpy().astype(np.uint8)
    return torch.from_numpy(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) > 0)


def pixels_attached_to_body(pixels: Int[Tensor, " P"], body: Bool[Tensor, "H W"]) -> Int[Tensor, " Q"]:
    """Those of the pixels that do not hang in the air."""
    ground = body.flatten().clone()
    ground[pixels] = True
    _, label = cv2.connectedComponents(ground.view(body.shape).numpy().astype(np.uint8), connectivity=4)
    held = np.unique(label[body.numpy()])
    return pixels[torch.from_numpy(np.isin(label.ravel()[pixels.numpy()], held))]
