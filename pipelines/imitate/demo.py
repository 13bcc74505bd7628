"""`motion-imitate demo`: run the whole program on the shipped photo and clip."""

from pathlib import Path

from motion_imitate.weights import find_asset
from pipelines.imitate.command import run_imitate
from pipelines.imitate.options import ImitateOptions
from pipelines.motion.options import EstimationOptions
from pipelines.output_path import UsageError
from pipelines.rendering.clothes_options import NO_CLOTHES
from pipelines.reporter import Reporter

DEMO_PHOTO, DEMO_CLIP = "demo/photo.jpg", "demo/clip.mp4"
DEMO_SIZE = 960  # pixels of the result's longer side


def run_demo(folder: Path, overwrite: bool, reporter: Reporter) -> None:
    """Render `motion-imitate-demo.mp4` into the folder."""
    if not folder.is_dir():
        raise UsageError(f"no folder {folder}; create it, or give another")
    how = ImitateOptions(camera="source", side_by_side=True)
    run_imitate(
        [find_asset(DEMO_PHOTO)],
        find_asset(DEMO_CLIP),
        folder / "motion-imitate-demo.mp4",
        how,
        EstimationOptions(size=DEMO_SIZE),
        NO_CLOTHES,
        overwrite,
        reporter,
    )
