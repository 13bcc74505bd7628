"""The shipped clip through the whole program."""

from pathlib import Path

from motion_imitate.weights import find
from pipelines import motion
from pipelines.console import Talk
from pipelines.output import Refused, refuse
from pipelines.seeing import Seeing

CLIP = "demo/clip.mp4"


def demo(folder: Path, overwrite: bool, talk: Talk) -> None:
    clip = find(CLIP)
    if not folder.is_dir():
        raise Refused(f"there is no folder {folder}; make it first, or give another")
    video, stored = folder / "motion-imitate-demo.mp4", folder / "motion-imitate-demo.npz"
    for out in (video, stored):
        refuse(out, (clip,), (out.suffix,), overwrite)
    motion.extract(clip, stored, Seeing(), overwrite, talk)
    motion.overlay(clip, video, stored, Seeing(), overwrite, talk)
