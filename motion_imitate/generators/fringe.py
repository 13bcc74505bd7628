"""Hair and cloth that stick out of the mesh: carried along by what they stick out of."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motion_imitate.flow import nearest, warp


@dataclass(frozen=True)
class Fringing:
    reach: float = 0.05  # how far something may stick out, in parts of the view's longer side
    edge: float = 0.005  # how far from both outlines what it sticks out from may be
    apart: float = 0.03  # of the photo; limbs that would take a pixel to places farther apart than that part there
    least: float = 0.05  # of the matte


@dataclass(frozen=True)
class Around:
    """A photo's surroundings of the body, at the size of its view."""

    bare: Float[Tensor, "N h w"]  # 1 where no body is
    rim: Float[Tensor, "N h w"]  # 1 there and close by
    limb: Float[Tensor, "N h w"]  # the nearest limb
    matte: Float[Tensor, "N 1 H W"]

    @staticmethod
    def of(limbs: Int[Tensor, "N h w"], matte: Float[Tensor, "N 1 H W"], how: Fringing) -> "Around":
        """`limbs` are the limbs that are seen, -1 where none is."""
        edge = pixels(how.edge, limbs)
        bare = (limbs < 0).float()
        rim = torch.nn.functional.max_pool2d(bare, 2 * edge + 1, 1, edge)
        filled = [each.flatten()[closest(each >= 0)[0]].view(each.shape) for each in limbs]
        return Around(bare, rim, torch.stack(filled).float(), matte)


@dataclass(frozen=True)
class Carry:
    """For each limb, the turn, scale and shift that take the view's image points to each photo's."""

    turn: Float[Tensor, "N L 2 2"]
    here: Float[Tensor, "L 2"]
    there: Float[Tensor, "N L 2"]

    @staticmethod
    def of(
        now: Float[Tensor, "V 2"],
        then: Float[Tensor, "N V 2"],
        limb: Int[Tensor, " V"],
        sizes: tuple[tuple[int, int], tuple[int, int]],
    ) -> "Carry":
        """From where the view and the photos show vertices, of a limb each; `sizes`: the view's and the photos' height
        and width."""
        (height, width), (high, wide) = sizes
        ours, theirs = now.new_tensor([width, height]), now.new_tensor([wide, high])
        here, there = mean_of_limbs(now[None], limb)[0], mean_of_limbs(then, limb)
        x, y = (now - here[limb]) * ours, (then - there[:, limb]) * theirs
        power = mean_of_limbs((x * x).sum(-1, keepdim=True)[None], limb)[0, :, 0].clamp(min=1e-9)
        cross = x[:, 0] * y[..., 1] - x[:, 1] * y[..., 0]
        products = mean_of_limbs(torch.stack([(x * y).sum(-1), cross], -1), limb) / power[:, None]
        along, across = products.unbind(-1)
        turn = torch.stack([torch.stack([along, -across], -1), torch.stack([across, along], -1)], -2)
        return Carry(turn * (ours / theirs[:, None]), here, there)

    def stepped(self, limb: Int[Tensor, " P"], step: Float[Tensor, "P 2"]) -> Float[Tensor, "N P 2"]:
        return torch.einsum("npab,pb->npa", self.turn[:, limb], step)

    def taken(self, limb: Int[Tensor, "N P"], at: Float[Tensor, "P 2"]) -> Float[Tensor, "N P 2"]:
        photo = torch.arange(len(self.there))[:, None]
        moved = torch.einsum("npab,npb->npa", self.turn[photo, limb], at - self.here[limb])
        return self.there[photo, limb] + moved


@dataclass(frozen=True)
class Fringe:
    where: Int[Tensor, " P"]  # pixels of the view, by number
    flow: Float[Tensor, "N P 2"]
    trust: Float[Tensor, "N P"]


def fringe(
    around: Around,
    carry: Carry,
    limbs: Int[Tensor, "H W"],
    flow: Float[Tensor, "N H W 2"],
    trust: Float[Tensor, "N H W"],
    how: Fringing,
) -> Fringe:
    """What sticks out of the body that a view shows as `limbs` (-1 where it does not), each pixel from one photo."""
    body = limbs >= 0
    height, width = body.shape
    inner = torch.from_numpy(cv2.distanceTransform(body.numpy().astype(np.uint8), cv2.DIST_L2, 3))
    root, far = closest(body & (trust.amax(0) > 0.5))
    candidate = (
        ~body
        & (far <= how.reach * max(body.shape))
        & (inner.flatten()[root] <= pixels(how.edge, body)).view(body.shape)
    )
    where = candidate.flatten().nonzero()[:, 0]
    root = root[where]
    at, start = (centres(number, height, width) for number in (where, root))
    limb = limbs.flatten()[root].clamp(min=0)
    origin = flow.flatten(1, 2)[:, root]
    there = origin + carry.stepped(limb, at - start)
    other = nearest(around.limb, there[:, None])[:, 0].long()
    apart = (carry.taken(other, at) - carry.taken(limb.expand_as(other), at)).norm(dim=-1)
    worth = trust.flatten(1)[:, root] * warp(around.matte, there[:, None])[:, 0, 0] * (apart <= 2 * how.apart)
    worth = worth * nearest(around.bare, there[:, None])[:, 0] * nearest(around.rim, origin[:, None])[:, 0]
    held = attached(where[worth.amax(0) > how.least], body)
    kept = torch.isin(where, held)
    chosen = torch.nn.functional.one_hot(worth.argmax(0), len(worth)).mT.to(worth)
    return Fringe(where[kept], there[:, kept], chosen[:, kept])


def pixels(part: float, view: Tensor) -> int:
    """A part of a view's longer side, at least one."""
    return max(1, round(part * max(view.shape[-2:])))


def centres(number: Int[Tensor, " P"], height: int, width: int) -> Float[Tensor, "P 2"]:
    """Image points of pixels' centres."""
    pixel = torch.stack([number % width, number // width], -1) + 0.5
    return pixel * pixel.new_tensor([2 / width, 2 / height]) - 1


def closest(wanted: Bool[Tensor, "H W"]) -> tuple[Int[Tensor, " HW"], Float[Tensor, "H W"]]:
    """Each pixel's nearest one that is wanted, by its number, and how far that is; 0 and infinity if none is."""
    mask = wanted.numpy().astype(np.uint8)
    if not mask.any():
        return torch.zeros(wanted.numel(), dtype=torch.int64), torch.full(wanted.shape, torch.inf)
    far, label = cv2.distanceTransformWithLabels(1 - mask, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    numbers = np.zeros(label.max() + 1, np.int64)
    numbers[label[mask > 0]] = np.flatnonzero(mask)
    return torch.from_numpy(numbers[label]).flatten(), torch.from_numpy(far)


def mean_of_limbs(values: Float[Tensor, "N V C"], limb: Int[Tensor, " V"]) -> Float[Tensor, "N L C"]:
    count = torch.bincount(limb).clamp(min=1)
    total = values.new_zeros(len(values), len(count), values.shape[2]).index_add(1, limb, values)
    return total / count[:, None]


def closed(covered: Bool[Tensor, "H W"]) -> Bool[Tensor, "H W"]:
    """Without the cracks."""
    mask = covered.numpy().astype(np.uint8)
    return torch.from_numpy(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) > 0)


def attached(pixels: Int[Tensor, " P"], body: Bool[Tensor, "H W"]) -> Int[Tensor, " Q"]:
    """Those of the pixels that do not hang in the air."""
    ground = body.flatten().clone()
    ground[pixels] = True
    _, label = cv2.connectedComponents(ground.view(body.shape).numpy().astype(np.uint8), connectivity=4)
    held = np.unique(label[body.numpy()])
    return pixels[torch.from_numpy(np.isin(label.ravel()[pixels.numpy()], held))]
