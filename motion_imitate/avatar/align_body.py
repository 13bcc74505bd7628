"""Turn the fitted body's limbs so that they lie where the photo's parsing sees them."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torch.optim.adam import adam

from motion_imitate.avatar.body_surface import ARM_LIMBS, LEG_LIMBS, SIDES, PhotoBody
from motion_imitate.avatar.masks import Labels, Mask, distance_to_edge
from motion_imitate.avatar.photo_layers import ARM_LAYERS, LEG_LAYERS, NO_LAYER
from motion_imitate.bodies.skinning import joint_moves, joint_places, local_to_global, rest_shape
from motion_imitate.geometry.camera import body_to_camera, camera_to_image
from motion_imitate.geometry.raster import to_pixels
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.types import Body

TURNED = ("shoulder", "elbow", "hip", "knee")
LIMB_POINTS = 150  # of the body, per limb
MASK_POINTS = 200  # of the photo, per layer
LEAST_MASK = 60  # pixels; smaller layers are not trusted
STEPS = 40
RATE = 0.03  # radians
TURN_SIGMA = 0.25  # radians: how much a joint may turn
NEAR = 0.012  # of the height: distances are counted in this
FAR = 4.0  # times that, from which on a distance counts no more
adam_step = partial(  # without the class Adam, which imports all of torch's compiler: 1.5 seconds
    adam, lr=RATE, amsgrad=False, beta1=0.9, beta2=0.999, weight_decay=0, eps=1e-8, maximize=False
)


@dataclass(frozen=True)
class LimbTarget:
    """A limb of the body and the layer of the photo that it is to cover."""

    vertices: Int[Tensor, " V"]
    pixels: Float[Tensor, "P 2"]  # some of those that show the layer
    outside: Float[Tensor, "1 1 H W"]  # pixels to the person, who may hide or show the limb


def align_body_to_layers(body: Body, bare: PhotoBody, owner: Labels) -> Body:
    """The body with arms and legs turned towards the layers' pixels; `bare` is the same in the photo."""
    targets = [target for target in find_limb_targets(bare, owner) if len(target.pixels)]
    if not targets:
        return body
    model = bare.model
    joints = [model.controls[f"{name}_{side}"][0] for name in TURNED for side in SIDES]
    vertices = torch.cat([target.vertices for target in targets])
    rest, places = rest_shape(model.skin, body.shape)
    rest, weights = rest[0, vertices], model.skin.weights[vertices]
    counts = [len(target.vertices) for target in targets]
    turn = torch.zeros(len(joints), 3, requires_grad=True)
    average, square, steps = torch.zeros_like(turn), torch.zeros_like(turn), torch.zeros(())
    scale = NEAR * bare.stature

    def turned(by: Tensor) -> Tensor:
        pose = body.pose.clone()
        pose[:, joints] = pose[:, joints] @ rotation_vector_to_matrix(by)
        return pose

    with torch.enable_grad():
        for _ in range(STEPS):
            turns = local_to_global(turned(turn), model.skin.parents)
            moves = joint_moves(places, turns, joint_places(turns, places, model.skin.parents))[0]
            mixed = torch.einsum("vj,jab->vab", weights, moves)
            posed = (mixed[:, :, :3] @ rest[:, :, None])[..., 0] + mixed[:, :, 3]
            pixels = to_pixels(camera_to_image(body_to_camera(posed[None], bare.camera), bare.camera), bare.size)
            loss = (turn / TURN_SIGMA).square().sum() / 8
            for target, at in zip(targets, pixels[0, :, :2].split(counts), strict=True):
                loss = loss + limb_distance(target, at, scale)
            (slope,) = torch.autograd.grad(loss, turn)
            with torch.no_grad():
                adam_step([turn], [slope], [average], [square], [], [steps])
    return replace(body, pose=turned(turn.detach()))


def find_limb_targets(bare: PhotoBody, owner: Labels) -> list[LimbTarget]:
    """The arms and the legs that the photo shows."""
    limb_of_vertex = torch.zeros(len(bare.weights), dtype=torch.int64)
    limb_of_vertex[bare.model.faces] = bare.limbs[:, None].expand(-1, 3).long()
    outside = torch.from_numpy(np.maximum(-distance_to_edge(owner != NO_LAYER), 0))[None, None]
    targets = []
    for pair, table in ((ARM_LAYERS, ARM_LIMBS), (LEG_LAYERS, LEG_LIMBS)):
        for layer, side in zip(pair, SIDES, strict=True):
            own = torch.isin(limb_of_vertex, torch.tensor(table[side])).nonzero()[:, 0]
            targets.append(
                LimbTarget(
                    spread_points(own, bare.model.skin.template, LIMB_POINTS),
                    sample_mask(owner == layer),
                    outside,
                )
            )
    return targets


def spread_points(chosen: Int[Tensor, " N"], at: Float[Tensor, "V 3"], count: int) -> Int[Tensor, " M"]:
    """Some of the chosen points, each far from those before it."""
    places = at[chosen]
    nearest = (places - places[0]).norm(dim=1)
    kept = [0]
    while len(kept) < min(count, len(chosen)):
        kept.append(int(nearest.argmax()))
        nearest = nearest.minimum((places - places[kept[-1]]).norm(dim=1))
    return chosen[kept]


def sample_mask(mask: Mask) -> Float[Tensor, "P 2"]:
    """Pixel centres, evenly spread over a mask; none of one that is tiny."""
    row, column = np.nonzero(mask)
    if len(row) < LEAST_MASK:
        return torch.zeros(0, 2)
    some = np.linspace(0, len(row) - 1, MASK_POINTS).astype(int)
    return torch.from_numpy(np.stack([column[some], row[some]], 1) + 0.5).float()


def limb_distance(target: LimbTarget, at: Float[Tensor, "V 2"], scale: float) -> Float[Tensor, ""]:
    """How far the layer's pixels are from the limb, and the limb from the person."""
    height, width = target.outside.shape[2:]
    to_limb = (torch.cdist(target.pixels, at).amin(1) / scale - 1).clamp(min=0)  # nearer ones are covered
    grid = at / at.new_tensor([width / 2, height / 2]) - 1
    beyond = F.grid_sample(target.outside, grid[None, None], padding_mode="border", align_corners=False) / scale
    return squash(to_limb).mean() + squash(beyond).mean()


def squash(distance: Tensor) -> Tensor:
    """Squares of small distances; far ones count alike."""
    square = distance.square()
    return square / (1 + square / FAR**2)
