"""Benchmark image quality: fidelity in the photo's own pose."""

from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import Bool
from torch import Tensor
from torch.nn.functional import max_pool2d

from motion_imitate.frame_renderer import FrameRenderer
from motion_imitate.generators import AVATAR_RENDERER
from motion_imitate.geometry.raster import rasterize
from motion_imitate.metrics.images import psnr
from motion_imitate.photos.headers import NotAPicture
from motion_imitate.photos.people import find_people, load_photos
from motion_imitate.photos.read import upright_photo_size
from motion_imitate.portray import make_person, prepare_person
from motion_imitate.types import Frames, Motion
from motion_imitate.weights import find_asset

PHOTO_HEIGHTS = (256, 720, 1080)  # heights at which photos are reconstructed
MATTE_THRESHOLD, EDGE_MARGIN = 0.9, 2  # minimum matte, and pixels of distance from its edge


def measure_image_quality(data: Path | None) -> Iterator[str]:
    """Lines on sharpness."""
    torch.set_num_threads(1)
    others = data.resolve().parent / "sources" if data else Path("nowhere")
    yield from measure_sharpness([find_asset("demo/photo.jpg"), *(sorted(others.iterdir()) if others.is_dir() else [])])


def measure_sharpness(photos: list[Path]) -> Iterator[str]:
    """A table of PSNR in the photo's own pose, by photo and height."""
    inside = f"matte > {MATTE_THRESHOLD}, {EDGE_MARGIN} pixels inside"
    yield f"the photo's own pose, PSNR in dB of the person ({inside}), by image height"
    yield f"{'':30}" + "".join(f"{lines:8}" for lines in PHOTO_HEIGHTS)
    for photo in photos:
        yield f"{photo.name[:29]:30}" + "".join(psnr_cell(photo, lines) for lines in PHOTO_HEIGHTS)


def psnr_cell(photo: Path, lines: int) -> str:
    """A table cell: the PSNR, or 'nobody' where no person is found."""
    try:
        return f"{own_pose_psnr(photo, lines):8.2f}"
    except NotAPicture:
        return f"{'nobody':>8}"


def own_pose_psnr(photo: Path, lines: int) -> float:
    """PSNR of the person rendered in the photo's own pose; NaN if the photo has fewer than `lines` rows."""
    height, width = upright_photo_size(photo)
    if height < lines:
        return float("nan")
    given = load_photos([photo], round(max(height, width) * lines / height))
    people = find_people(given.image[0], str(photo))[:1]
    person = make_person(*prepare_person(given, people), AVATAR_RENDERER)
    source = person.source
    motion = Motion(source.body, source.camera, torch.ones(1), torch.zeros(1))
    ground = Frames((source.background * 255 + 0.5).to(torch.uint8), motion.seconds)
    drawn = FrameRenderer(person, rasterize)((ground, motion))
    return float(psnr(drawn.data.float() / 255, source.image, erode_area(source.matte > MATTE_THRESHOLD)))


def erode_area(area: Bool[Tensor, "B 1 H W"]) -> Bool[Tensor, "B 1 H W"]:
    """Erode a mask by EDGE_MARGIN pixels."""
    return max_pool2d((~area).float(), 2 * EDGE_MARGIN + 1, 1, EDGE_MARGIN) == 0
