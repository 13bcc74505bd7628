"""Load photos of a person and find the people in them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate as resized
from torch.nn.functional import pad

from motion_imitate.background.fill import dilate_mattes
from motion_imitate.estimators.follow import follow_person
from motion_imitate.estimators.landmarks import LandmarkEstimator, Landmarking
from motion_imitate.estimators.matte import warp_mask_to_image
from motion_imitate.estimators.track import Tracking
from motion_imitate.photos.headers import NotAPicture
from motion_imitate.photos.read import read_photo
from motion_imitate.types import Frames, Sighting

CUTOUT_REACH = 0.03  # of the longer side; opaque pixels this close to the estimated matte belong to the person
OTHERS_RIM = 0.006  # of the longer side, by which masks of other people are grown
MIN_PHOTO_SIDE = 64  # pixels of a photo's longer side
PHOTO_SEARCH = Landmarking(mirror=True, rate=1e6)
CLOSE_UP_SEARCH = replace(PHOTO_SEARCH, tracking=Tracking(new_inside=1, new_side=2.0))  # for head and shoulders alone
HIDDEN_SEARCH = replace(  # for people of whom much is hidden
    PHOTO_SEARCH, tracking=Tracking(new_score=0.5, new_torso=0.5, new_off_mask=4, new_stable=0.3)
)
PHOTO_SEARCHES = (  # until somebody is found; each pass looks where the one before found the person
    (PHOTO_SEARCH, 3),
    (replace(CLOSE_UP_SEARCH, detect=0.2), 1),
    (replace(CLOSE_UP_SEARCH, detect=0.1), 1),
    (HIDDEN_SEARCH, 3),
)


@dataclass(frozen=True)
class Photos:
    """Photos scaled to the size of the first one, with their alpha channels."""

    image: Float[Tensor, "N 3 H W"]  # composited on white where the photo is transparent
    alpha: Float[Tensor, "N 1 H W"]
    others: Float[Tensor, "N 1 H W"] | None = None  # where people other than the chosen one are, see `mask_others`

    def mask_others(self, people: Sequence[Sequence[Sighting]]) -> "Photos":
        """The same photos, that know where all but the first of the people of each are."""
        if all(len(each) == 1 for each in people):
            return self
        masks = torch.zeros_like(self.alpha)
        for mask, (_, *others) in zip(masks, people, strict=True):
            for other in others:
                mask[0] = mask[0].maximum(torch.from_numpy(warp_mask_to_image(other, self.size)))
        return replace(self, others=dilate_mattes((masks > 0.3).to(masks), max(1, round(OTHERS_RIM * max(self.size)))))

    def cut(self, mattes: Float[Tensor, "N 1 H W"]) -> Float[Tensor, "N 1 H W"]:
        """Replace mattes with the photo's alpha where the photo is a cut-out: alpha is more reliable than an estimated
        matte."""
        reach = max(1, round(CUTOUT_REACH * max(self.size)))
        cut_out = self.alpha.amin((1, 2, 3), True) < 0.5
        return torch.where(cut_out, self.alpha * (dilate_mattes(mattes, reach) > 0.5), mattes)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.image.shape[2], self.image.shape[3]


def load_photos(paths: Sequence[Path], longest: int) -> Photos:
    """Load photos at the size of the first, its longer side at most `longest` and both sides even, as video codecs
    require."""
    given = []
    for path in paths:
        picture = read_photo(path, longest)
        if max(picture.image.shape[1:]) < MIN_PHOTO_SIDE:
            width, height = picture.image.shape[2], picture.image.shape[1]
            raise NotAPicture(
                f"{path} has {width}x{height} pixels; give a photo of {MIN_PHOTO_SIDE} or more on its longer side"
            )
        alpha = torch.ones_like(picture.image[:1]) if picture.alpha is None else picture.alpha
        given.append(torch.cat([picture.image * alpha + 1 - alpha, alpha]))
    height, width = (max(2, side // 2 * 2) for side in given[0].shape[1:])
    both = torch.stack([fit_image_into(picture, (height, width)) for picture in given])
    return Photos(both[:, :3], both[:, 3:])


def fit_image_into(image: Float[Tensor, "C H W"], size: tuple[int, int]) -> Float[Tensor, "C h w"]:
    """Scale an image to fit within a size, and fill the rest by repeating its edge pixels."""
    scale = min(size[0] / image.shape[1], size[1] / image.shape[2])
    inner = (min(size[0], round(image.shape[1] * scale)), min(size[1], round(image.shape[2] * scale)))
    small = resized(image[None], inner, mode="bilinear", antialias=True) if inner != image.shape[1:] else image[None]
    rest = (size[1] - inner[1], size[0] - inner[0])
    around = (rest[0] // 2, rest[0] - rest[0] // 2, rest[1] // 2, rest[1] - rest[1] // 2)
    return pad(small, around, mode="replicate")[0]


def find_people(image: Float[Tensor, "3 H W"], name: str, person: str | int = "largest") -> list[Sighting]:
    """Detect everybody in a photo, the selected person first; `person` is as for `follow_person`.

    `name` is the photo's name, for the error raised if nobody is found.
    """
    still = (image * 255 + 0.5).to(torch.uint8)
    for search, passes in PHOTO_SEARCHES:
        with torch.no_grad():
            run = LandmarkEstimator(search)(Frames(still.expand(passes, -1, -1, -1), torch.arange(passes) / 30))
        try:
            seen = next(follow_person(iter([run]), person))[-1:]
        except ValueError as missing:
            raise ValueError(f"{name}: {missing}") from None
        if bool((seen.score > 0).all()):
            return [seen, *(one[-1:] for one in run if not torch.equal(one.points[-1:], seen.points))]
    raise NotAPicture(f"nobody is seen in {name}; give a photo that shows most of a person's body")
