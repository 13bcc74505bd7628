"""The shipped photo and the shipped clip through the whole program."""

from pathlib import Path

from motion_imitate.weights import find
from pipelines.imitate.command import imitate
from pipelines.imitate.options import Imitating
from pipelines.motion.options import Seeing
from pipelines.output_path import Refused
from pipelines.reporter import Talk

PHOTO, CLIP = "demo/photo.jpg", "demo/clip.mp4"
SIZE = 960  # pixels of the photo's longer side


def demo(folder: Path, overwrite: bool, talk: Talk) -> None:
    if not folder.is_dir():
        raise Refused(f"there is no folder {folder}; make it first, or give another")
    how = Imitating(camera="source", side_by_side=True)
    imitate([find(PHOTO)], find(CLIP), folder / "motion-imitate-demo.mp4", how, Seeing(size=SIZE), overwrite, talk)
