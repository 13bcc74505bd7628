"""Prepare a person from photos, once, for any number of clips."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.background.fill import cover_contact_shadows, dilate_mattes, inpaint_hidden
from motion_imitate.bodies.dress import dress_body
from motion_imitate.bodies.skinning import SkinnedBody
from motion_imitate.estimators.clip import load_fitter
from motion_imitate.estimators.fit import fit
from motion_imitate.estimators.fitter import Fitting
from motion_imitate.estimators.matte import estimate_matte as matte_of
from motion_imitate.estimators.stance import stand_in_photos
from motion_imitate.generators import (
    AUTO_RENDERER,
    AVATAR_RENDERER,
    CORRECTIONS_RENDERER,
    RENDERERS,
    load_generator,
)
from motion_imitate.generators.load import load_correction_networks
from motion_imitate.geometry.raster import rasterize
from motion_imitate.geometry.view import view_of_body
from motion_imitate.person import AvatarAppearance, Person, make_avatars
from motion_imitate.photos.people import Photos, find_people, load_photos
from motion_imitate.renderer_chain import (
    AVATAR_ERRORS,
    PAINTERS,
    RendererChoice,
    body_fault,
    chain_sentence,
    choose_painter,
)
from motion_imitate.types import BodyModel, Sighting, Source, cat_batched

PHOTO_FITTING = Fitting(outline_steps=6, every=1)  # for photos


@dataclass(frozen=True)
class PrepareSettings:
    """Settings of `prepare_person`."""

    view: int = 768  # longer side, in pixels, of the raster of the photo's body
    margin: float = 0.012  # inpainted margin around the person, as a fraction of the longer side
    stand_upright: bool = False  # see `stand_in_photos`: for views from other sides of a person who stands as in the
    # photo; a driver's motion leans to and from the camera as the photo's fit does, and both cancel out


def prepare_person(
    photos: Photos, seen: Sequence[Sighting], how: PrepareSettings = PrepareSettings()
) -> tuple[Source, BodyModel]:
    """Fit the shipped body to the person, detected once per photo, and return the source and the body model in their
    clothes."""
    with cut_out_person(photos, seen, how.margin) as cut:
        source, model = fit_person(photos, seen, cut, how)
        cut.filled.result()
    return source, model


def make_person_of_photos(
    photos: Photos,
    seen: Sequence[Sighting],
    how: PrepareSettings = PrepareSettings(),
    renderer: str = AUTO_RENDERER,
    weights: Path | None = None,
) -> "Person":
    """`make_person` of what `prepare_person` returns; an only photo is inpainted while its avatar is made."""
    with cut_out_person(photos, seen, how.margin) as cut:
        source, model = fit_person(photos, seen, cut, how)
        if len(seen) > 1 or renderer not in (AUTO_RENDERER, AVATAR_RENDERER):
            cut.filled.result()
            return make_person(source, model, renderer, weights)
        person = make_person(source, model, renderer, weights)
        cut.filled.result()
    return replace(person, source=replace(person.source, background=cut.background))  # it may hold an earlier copy


class PersonCut(NamedTuple):
    """A person being cut out of photos in another thread."""

    mattes: Future[Float[Tensor, "N 1 H W"]]
    background: Float[Tensor, "N 3 H W"]  # without the person; empty until `filled` is done
    filled: Future[Tensor]


@contextmanager
def cut_out_person(photos: Photos, seen: Sequence[Sighting], margin: float) -> Iterator[PersonCut]:
    """Cut the person out, and inpaint them with a margin, meanwhile."""

    def cut() -> Tensor:
        return photos.cut(torch.stack([matte_of(photo, one) for photo, one in zip(photos.image, seen, strict=True)]))

    background = torch.empty_like(photos.image)
    with ThreadPoolExecutor(1) as pool:
        mattes = pool.submit(cut)
        yield PersonCut(
            mattes, background, pool.submit(lambda: background.copy_(inpaint_person(photos, mattes.result(), margin)))
        )


@torch.no_grad()
def fit_person(
    photos: Photos, seen: Sequence[Sighting], cut: PersonCut, how: PrepareSettings
) -> tuple[Source, BodyModel]:
    """Fit the body, and dress it until its outline is the mattes'."""
    size, fitter = photos.size, load_fitter("anny", PHOTO_FITTING)
    found = cat_batched([next(fit(iter([one]), fitter, size)) for one in seen])
    body = replace(found.body, shape=found.body.shape.mean(0, keepdim=True).expand(len(seen), -1))
    bare, camera = cast(SkinnedBody, fitter.rig.model), found.camera
    if how.stand_upright:
        bare, body, camera = stand_in_photos(bare, body, camera)
    mattes = cut.mattes.result()
    model = cast(BodyModel, dress_body(bare, body, camera, mattes))
    scale = min(1.0, how.view / max(size))
    view = view_of_body(model, rasterize, body, camera, (round(size[0] * scale), round(size[1] * scale)))
    return Source(photos.image, mattes, cut.background, body, camera, view), model


@torch.no_grad()
def inpaint_person(photos: Photos, mattes: Float[Tensor, "N 1 H W"], margin: float) -> Float[Tensor, "N 3 H W"]:
    """Inpaint the person, with a margin, from their surroundings."""
    reach = max(3, round(margin * max(photos.size)))
    hidden = cover_contact_shadows(dilate_mattes((mattes > 0.02).to(mattes), reach))
    return inpaint_hidden(photos.image, hidden, foreign=photos.others)


def make_person(source: Source, model: BodyModel, renderer: str, weights: Path | None = None) -> Person:
    """The person as a renderer of `RENDERERS` draws them."""
    if renderer not in RENDERERS:
        raise ValueError(f"no renderer {renderer!r}; choose one of {', '.join(RENDERERS)}")
    if renderer == AUTO_RENDERER:
        return make_person_by_chain(source, model, weights)
    if renderer == AVATAR_RENDERER:
        return make_avatar_person(source, model, AvatarAppearance(make_avatars(source, model)))
    if renderer == CORRECTIONS_RENDERER:
        looks = AvatarAppearance.corrected(source, model, load_correction_networks(weights))
        return replace(make_avatar_person(source, model, looks), choice=RendererChoice(renderer))
    person = Person.of(source, model, load_generator(renderer, model, weights))
    return replace(person, choice=RendererChoice(renderer))


def make_avatar_person(source: Source, model: BodyModel, looks: AvatarAppearance) -> Person:
    """The person in the pose of their avatars in the photos."""
    pose = torch.stack([avatar.photo_pose for avatar in looks.avatars])
    return Person(replace(source, body=replace(source.body, pose=pose)), model, looks)


def make_person_by_chain(source: Source, model: BodyModel, weights: Path | None = None) -> Person:
    """The person as their avatar, or else as the next renderer of `renderer_chain` that can draw them.

    The first photo decides; others whose body does not fit are left out.
    """
    faults = [body_fault(source[n : n + 1]) for n in range(len(source))]
    why, painter = faults[0], len(PAINTERS) - 1
    if not why:
        kept = source[torch.tensor([not fault for fault in faults])]
        left_out = tuple(fault and f"not used, because {fault}" for fault in faults)
        try:
            person = make_avatar_person(kept, model, AvatarAppearance(make_avatars(kept, model)))
            return replace(person, choice=RendererChoice(AVATAR_RENDERER, left_out))
        except AVATAR_ERRORS as error:
            why, painter = f"no avatar can be made of it ({error})", 0
    renderer, found, passed = choose_painter(painter, weights)
    person = Person.of(source[:1], model, load_generator(renderer, model, found))
    return replace(person, choice=RendererChoice(renderer, (chain_sentence(renderer, why, passed),)))


def portray(
    photos: Sequence[Path],
    size: int = 1280,
    person: str | int = "largest",
    renderer: str = AUTO_RENDERER,
    weights: Path | None = None,
    stand_upright: bool = False,
) -> Person:
    """Prepare a person from photos, scaled to at most `size` pixels on the longer side.

    Do this once; the result serves any number of clips. For `novel_view` let the person `stand_upright`, which moves
    nothing in the photo's view; a driver's motion fits better without.
    """
    given = load_photos(photos, size)
    people = [find_people(image, str(path), person) for image, path in zip(given.image, photos, strict=True)]
    how = PrepareSettings(stand_upright=stand_upright)
    return make_person_of_photos(given.mask_others(people), [each[0] for each in people], how, renderer, weights)
