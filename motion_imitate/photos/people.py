"""Photos of a person, read from files; and who is in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate as resized
from torch.nn.functional import pad

from motion_imitate.background.fill import grown
from motion_imitate.estimators.follow import follow
from motion_imitate.estimators.landmarks import Landmarking, Landmarks
from motion_imitate.photos.headers import NotAPicture
from motion_imitate.photos.read import opened
from motion_imitate.types import Frames, Sighting

REACH = 0.03  # of the longer side, round what is seen of a person: what is opaque there is theirs
LEAST = 64  # pixels of a photo's longer side
LOOKS = 3  # at a photo; each looks where the one before saw the person


@dataclass(frozen=True)
class Photos:
    """Photos brought to the size of the first, and how opaque they are."""

    image: Float[Tensor, "N 3 H W"]  # before white where it is not opaque
    alpha: Float[Tensor, "N 1 H W"]

    def cut(self, mattes: Float[Tensor, "N 1 H W"]) -> Float[Tensor, "N 1 H W"]:
        """Mattes of the person, by how opaque the photo is wherever it was cut out: that is surer than what is seen."""
        reach = max(1, round(REACH * max(self.size)))
        cut_out = self.alpha.amin((1, 2, 3), True) < 0.5
        return torch.where(cut_out, self.alpha * (grown(mattes, reach) > 0.5), mattes)

    @property
    def size(self) -> tuple[int, int]:
        return self.image.shape[2], self.image.shape[3]


def photos_of(paths: Sequence[Path], longest: int) -> Photos:
    """The longer side is `longest` pixels at most; both sides are even, as videos want them."""
    given = []
    for path in paths:
        picture = opened(path, longest)
        if max(picture.image.shape[1:]) < LEAST:
            width, height = picture.image.shape[2], picture.image.shape[1]
            raise NotAPicture(f"{path} has {width}x{height} pixels; give a photo of {LEAST} or more")
        alpha = torch.ones_like(picture.image[:1]) if picture.alpha is None else picture.alpha
        given.append(torch.cat([picture.image * alpha + 1 - alpha, alpha]))
    height, width = (max(2, side // 2 * 2) for side in given[0].shape[1:])
    both = torch.stack([fitted_into(picture, (height, width)) for picture in given])
    return Photos(both[:, :3], both[:, 3:])


def fitted_into(image: Float[Tensor, "C H W"], size: tuple[int, int]) -> Float[Tensor, "C h w"]:
    """The picture scaled to lie within a size, its edges drawn out to fill it."""
    scale = min(size[0] / image.shape[1], size[1] / image.shape[2])
    inner = (min(size[0], round(image.shape[1] * scale)), min(size[1], round(image.shape[2] * scale)))
    small = resized(image[None], inner, mode="bilinear", antialias=True) if inner != image.shape[1:] else image[None]
    rest = (size[1] - inner[1], size[0] - inner[0])
    around = (rest[0] // 2, rest[0] - rest[0] // 2, rest[1] // 2, rest[1] - rest[1] // 2)
    return pad(small, around, mode="replicate")[0]


def people_in(image: Float[Tensor, "3 H W"], name: str, person: str | int = "largest") -> list[Sighting]:
    """Everybody in a photo, the wanted person first; as of `follow`. `name` is the photo's, for the error if there is
    nobody."""
    look = Landmarks(Landmarking(mirror=True, rate=1e6))
    still = (image * 255 + 0.5).to(torch.uint8).expand(LOOKS, -1, -1, -1)
    with torch.no_grad():
        run = look(Frames(still, torch.arange(LOOKS) / 30))
        try:
            seen = next(follow(iter([run]), person))[-1:]
        except ValueError as missing:
            raise ValueError(f"{name}: {missing}") from None
    if not bool((seen.score > 0).all()):
        raise NotAPicture(f"nobody is seen in {name}; give a photo of a person, most of the body in the picture")
    return [seen, *(one[-1:] for one in run if not torch.equal(one.points[-1:], seen.points))]
