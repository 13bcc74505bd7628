"""Random pairs of views of the same person from a store of synthetic people, in batches, on any device."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from motion_imitate.synthesis.held_out import HeldOutSplit, select_split
from motion_imitate.synthesis.photo_damage import (
    BatchRandom,
    PhotoDamage,
    blur_images,
    degrade_pixels,
    expand_per_image,
    sample_scenes,
)
from motion_imitate.training.decoded_store import DecodedStore
from motion_imitate.types import Batched, Body, Camera


@dataclass(frozen=True)
class PairSettings:
    """How pairs are drawn and what an estimator gets wrong about their source."""

    alike: float = 0.7  # probability that both views share light, lens and framing
    damage: PhotoDamage = field(default_factory=lambda: PhotoDamage(blur=0.2, noise=0.4, jpeg=0.5))
    matte_blur: tuple[float, float] = (0.4, 1.6)  # pixels
    matte_offset: float = 0.25
    keypoint_error: float = 0.02  # standard deviation in image points, at most


@dataclass(frozen=True)
class PersonViews(Batched):
    """One view of each of B people, in front of a scene. Points are those of `LabelledPictures`."""

    picture: Float[Tensor, "B 3 H W"]  # of a source: with a camera's noise and blur
    matte: Float[Tensor, "B 1 H W"]  # alpha; of a source: as an estimator finds it
    colour: Float[Tensor, "B 3 H W"]  # true, multiplied by alpha
    alpha: Float[Tensor, "B 1 H W"]
    background: Float[Tensor, "B 3 H W"]
    surface: UInt8[Tensor, "B 3 H W"]  # part, u and v of the dressed body
    seen_surface: UInt8[Tensor, "B 3 H W"]  # of the bare body that an estimator would see
    points: Float[Tensor, "B 33 2"]
    visible: Float[Tensor, "B 33"]
    found_points: Float[Tensor, "B 33 2"]  # of a source: as an estimator finds them
    face: Float[Tensor, "B 4"]
    face_turned: Float[Tensor, " B"]
    body: Body
    camera: Camera


@dataclass(frozen=True)
class PairBatch(Batched):
    """Pairs of views: what is given, and what is to be drawn in front of the same scene."""

    source: PersonViews
    target: PersonViews


class StorePairs:
    """Draws pairs of views on a device, which need not hold the store: rows are copied to it then."""

    def __init__(
        self,
        store: DecodedStore,
        people: Int[Tensor, " P"],
        device: torch.device | str = "cpu",
        how: PairSettings = PairSettings(),
    ) -> None:
        if store.views < 2:
            raise ValueError("the people of the store have one picture each; make a store with two --views or more")
        self.store, self.how, self.people = store, how, people.to(device)
        self.scenes = store.arrays["scenes"].to(device)

    @classmethod
    def select(cls, store: DecodedStore, split: HeldOutSplit, device: torch.device | str = "cpu") -> "StorePairs":
        """The pairs of a store's people for training, or of every fifth person, who is held out."""
        return cls(store, torch.tensor(select_split(range(store.people), split)), device)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures."""
        return self.store.size

    @torch.no_grad()
    def draw(self, generator: torch.Generator, count: int) -> PairBatch:
        """A batch of random pairs; the generator must be on the device."""
        random = BatchRandom(generator, count)
        return self.read_pairs(*self.draw_numbers(random), random)

    @torch.no_grad()
    def read_pairs(self, first: Int[Tensor, " B"], second: Int[Tensor, " B"], random: BatchRandom) -> PairBatch:
        """The pairs of two numbers of pictures each."""
        background = sample_scenes(self.scenes, random, self.size).clamp(0, 1)
        return PairBatch(self.read_source(first, background, random), self.read_views(second, background))

    def draw_numbers(self, random: BatchRandom) -> tuple[Int[Tensor, " B"], Int[Tensor, " B"]]:
        """Numbers of two different pictures of the same person."""
        views, lights = self.store.views, self.store.lights
        person = self.people[(random.uniform() * len(self.people)).long()]
        first = (random.uniform() * views).long()
        start = first - first % lights
        count = (views - start).clamp(max=lights)
        alike = random.chance(self.how.alike) & (count > 1)
        start, count = start * alike, torch.where(alike, count, views)
        step = 1 + (random.uniform() * (count - 1)).long()
        second = start + (first - start + step) % count
        return person * views + first, person * views + second

    def read_views(self, number: Int[Tensor, " B"], background: Float[Tensor, "B 3 H W"]) -> PersonViews:
        """Views as they truly are."""
        rows = {
            name: array[number.to(array.device)].to(number.device)
            for name, array in self.store.arrays.items()
            if name != "scenes"
        }
        alpha = rows["alpha"][:, None].float() / 255
        colour = (rows["colour"].float() / 255).minimum(alpha)  # it is stored with losses
        return PersonViews(
            picture=colour + (1 - alpha) * background,
            matte=alpha,
            colour=colour,
            alpha=alpha,
            background=background,
            surface=torch.stack([rows["part"], rows["u"], rows["v"]], 1),
            seen_surface=torch.stack([rows["seen_part"], rows["seen_u"], rows["seen_v"]], 1),
            points=rows["points"],
            visible=rows["points_seen"],
            found_points=rows["points"],
            face=rows["face"],
            face_turned=rows["face_turned"],
            body=Body(rows["body.pose"], rows["body.shape"]),
            camera=Camera(rows["camera.focal"], rows["camera.centre"], rows["camera.place"]),
        )

    def read_source(
        self, number: Int[Tensor, " B"], background: Float[Tensor, "B 3 H W"], random: BatchRandom
    ) -> PersonViews:
        """Views as photos and estimators give them."""
        views = self.read_views(number, background)
        error = random.normal(33, 2) * random.uniform(0.0, self.how.keypoint_error, 1, 1)
        return PersonViews(
            **{
                **vars(views),
                "picture": degrade_pixels(views.picture, random.chance(0.0), random, self.how.damage),
                "matte": perturb_mattes(views.alpha, random, self.how),
                "found_points": views.points + error,
            }
        )


def perturb_mattes(alpha: Float[Tensor, "B 1 H W"], random: BatchRandom, how: PairSettings) -> Float[Tensor, "B 1 H W"]:
    """Mattes as an estimator finds them: softer, and here and there too large or too small."""
    soft = blur_images(alpha, random.uniform(*how.matte_blur))
    uneven = random.smooth_field((alpha.shape[2], alpha.shape[3]), 6) * 0.15
    offset = expand_per_image(random.uniform(-how.matte_offset, how.matte_offset))
    near = (4 * soft * (1 - soft)).clamp(0, 1)
    return ((soft + near * (uneven + offset) - 0.5) * 1.6 + 0.5).clamp(0, 1)
