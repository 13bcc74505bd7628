"""Sheets of what each renderer draws of photos in the poses of motions, and which one `auto` chooses and why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from torch import Tensor

from motion_imitate.frame_renderer import FrameRenderer
from motion_imitate.generators import AUTO_RENDERER, AVATAR_RENDERER, RENDERERS
from motion_imitate.generators.load import shipped_weights
from motion_imitate.geometry.raster import rasterize
from motion_imitate.imitate import adapt_motion
from motion_imitate.motion.file import load_motion
from motion_imitate.motion.retarget import Retarget
from motion_imitate.person import AvatarAppearance
from motion_imitate.photos.people import find_people, load_photos
from motion_imitate.portray import make_person, prepare_person
from motion_imitate.renderer_chain import AVATAR_ERRORS, body_overlap
from motion_imitate.types import BodyModel, Frames, Motion, Source, cat_batched
from pipelines.bench.avatar import PHOTO_SUFFIXES
from pipelines.evaluate.tables import crop_sheet_tile, join_sheet_tiles, label_sheet_line, stack_sheet_rows, write_sheet

PHOTO_LONGEST = 960  # pixels
DRAWN_POSES = 3
POSE_SPAN = (0.15, 0.85)  # of a motion: where its first and last drawn poses are
EMPTY_GREY = 128  # of tiles in which nothing could be drawn

Picture = UInt8[Tensor, "3 H W"]


@dataclass(frozen=True)
class PhotoPerson:
    """The person of a photo, and their body model."""

    source: Source
    model: BodyModel


def draw_renderer_sheets(data: Path | None) -> Iterator[str]:
    """Lines on the photos in a folder, and sheets in its folder `sheets`; motion files (.npz) there give the poses."""
    if data is None:
        raise ValueError("give a folder of photos and motion files with --data")
    motions = [load_motion(path)[0] for path in sorted(data.glob("*.npz"))]
    photos = [path for path in sorted(data.iterdir()) if path.suffix.lower() in PHOTO_SUFFIXES]
    if not motions or not photos:
        raise ValueError(f"{data} needs photos, and at least one motion file (.npz)")
    names = drawable_renderers()
    rows: dict[str, list[NDArray[np.uint8]]] = {name: [] for name in names}
    for path in photos:
        try:
            person = read_photo_person(path)
        except ValueError as refusal:
            yield f"{path.name}: refused, {refusal}"
            continue
        drawn = pose_person(person, motions)
        yield f"{path.name}: overlap {body_overlap(person.source):.0%}"
        for name in names:
            line, pictures = draw_with_renderer(person, drawn, name)
            yield f"  {line}"
            photo = (person.source.image[0] * 255 + 0.5).to(torch.uint8)
            rows[name].append(sheet_row(path.stem, [photo, *pictures]))
    for name, lines in rows.items():
        if lines:
            write_sheet(stack_sheet_rows(lines), data / "sheets" / f"{name}.png")


def drawable_renderers() -> tuple[str, ...]:
    """The renderers that need no weights of the user's own."""
    without = [name for name in RENDERERS if name not in (AUTO_RENDERER, AVATAR_RENDERER)]
    return (AUTO_RENDERER, AVATAR_RENDERER, *(name for name in without if shipped_weights(name) is not None))


def read_photo_person(path: Path) -> PhotoPerson:
    """The person of a photo; raises ValueError where nobody is found."""
    photos = load_photos([path], PHOTO_LONGEST)
    people = find_people(photos.image[0], path.name)
    return PhotoPerson(*prepare_person(photos.mask_others([people]), people[:1]))


def pose_person(person: PhotoPerson, motions: Sequence[Motion]) -> Motion:
    """Poses of motions as the person takes them at their place in the photo; the motions take turns."""
    frames = []
    for number, share in enumerate(np.linspace(*POSE_SPAN, DRAWN_POSES)):
        motion, own = motions[number % len(motions)], Retarget(camera="source")
        adapted = cat_batched(list(adapt_motion([motion], person.source, person.model, own)))
        frames.append(adapted[int(share * len(adapted)) :][:1])
    return cat_batched(frames)


def draw_with_renderer(person: PhotoPerson, motion: Motion, name: str) -> tuple[str, list[Picture]]:
    """What a renderer draws, over the photo's background, and a line on it; grey if it cannot."""
    behind = (person.source.background[0] * 255 + 0.5).to(torch.uint8)
    try:
        made = make_person(person.source, person.model, name)
    except AVATAR_ERRORS as error:
        return f"{name}: none, {error}", [torch.full_like(behind, EMPTY_GREY)] * len(motion)
    frames = Frames(behind.expand(len(motion), -1, -1, -1).clone(), motion.seconds)
    drawn = FrameRenderer(made, rasterize)((frames, motion)).data
    faults = made.appearance.avatars[0].faults if isinstance(made.appearance, AvatarAppearance) else ()
    told = "; ".join(filter(None, (made.choice.sentence, *(faults if name == AVATAR_RENDERER else ()))))
    return f"{name}: {made.choice.tools}{told and f'; {told}'}", [*drawn]


def sheet_row(name: str, pictures: Sequence[Picture]) -> NDArray[np.uint8]:
    """Pictures side by side, labelled with a name."""
    tiles = [crop_sheet_tile(picture, (slice(None), slice(None))) for picture in pictures]
    return label_sheet_line(join_sheet_tiles(tiles), name)
