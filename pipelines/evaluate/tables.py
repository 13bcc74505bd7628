"""The results of an evaluation: a table, a JSON file and comparison sheets."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, isnan
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from motion_imitate.estimators.matte import padded_mask_slices
from motion_imitate.files import raise_output_errors, write_bytes_atomically
from pipelines.evaluate.options import EvaluationOptions
from pipelines.evaluate.scores import FrameScores, GroundTruthFrame
from pipelines.output_path import UsageError, check_output_path
from pipelines.reporter import Reporter

SHEET_TILE_HEIGHT = 480  # pixels of a sheet's picture
SHEET_TILE_GAP = 6  # pixels between pictures
ScoreColumns = dict[str, tuple[str, int, int]]  # of a table: heading, factor, digits
SCORE_COLUMNS: ScoreColumns = {
    "person_psnr": ("person PSNR, dB", 1, 1),
    "person_ssim": ("person SSIM", 1, 3),
    "person_ms_ssim": ("person MS-SSIM", 1, 3),
    "aligned_ssim": ("person SSIM slid to fit", 1, 3),
    "perceptual": ("perceptual", 1, 3),
    "aligned": ("perceptual slid to fit", 1, 3),
    "kinds": ("kinds IoU", 1, 3),
    "face": ("face", 1, 2),
    "outline": ("outline IoU", 1, 3),
    "pose_error": ("pose error, %", 100, 1),
    "found": ("found, %", 100, 0),
    "shows_face": ("face seen, %", 100, 1),
    "flicker": ("flicker", 1, 1),
    "psnr": ("PSNR, dB", 1, 1),
    "ssim": ("SSIM", 1, 3),
}
SYSTEM_NAMES = {"copy": "copy-source"}  # names of rows under `systems`, where they differ
WHOLE_PICTURE_SCORES = ("psnr", "ssim")  # meaningless if the backgrounds differ

ScoreRow = dict[str, Any]


@dataclass(frozen=True)
class SheetTile:
    """A column of a sheet: the ground truth at one moment, and each method's picture of it."""

    truth: GroundTruthFrame
    made: dict[str, UInt8[Tensor, "3 H W"]]


def plan_sheet_paths(
    jobs: Sequence[tuple[Path, Path]], others: Sequence[str], out: Path | None, folder: Path | None, overwrite: bool
) -> list[Path | None]:
    """The path of each job's sheet, and last those of others by name; None without a folder.

    Refuses what may not, or cannot, be written.
    """
    for clip in dict.fromkeys(path for job in jobs for path in job):
        if not clip.exists():
            raise FileNotFoundError(f"no file {clip}; give a clip")
    if out is not None:
        check_output_path(out, [path for job in jobs for path in job], (".json",), overwrite)
    if folder is None:
        return [None] * (len(jobs) + len(others))
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder; name one after --sheet, which may be new")
    if not folder.parent.is_dir():
        raise UsageError(f"there is no folder {folder.parent}; make it first, or name another after --sheet")
    pages = [folder / f"{i}_{'_'.join(dict.fromkeys(p.stem for p in job))}.png" for i, job in enumerate(jobs, 1)]
    pages += [folder / f"{name}.png" for name in others]
    for page in pages if folder.is_dir() else []:
        check_output_path(page, (), (".png",), overwrite)
    return [*pages]


def mean_scores(each: Sequence[FrameScores], whole: bool) -> ScoreRow:
    """The mean of each score over the frames that have it; scores of the whole picture only if `whole`."""
    row: ScoreRow = {"frames": len(each)}
    for name in SCORE_COLUMNS:
        known = [marks[name] for marks in each if not isnan(marks.get(name, float("nan")))]
        row[name] = sum(known) / len(known) if known and (whole or name not in WHOLE_PICTURE_SCORES) else None
    return row


def write_evaluation(rows: Sequence[ScoreRow], how: EvaluationOptions, out: Path | None, reporter: Reporter) -> None:
    """Print the table, and write the unrounded scores to the file."""
    record = {
        "every": how.every,
        "source_frame": how.source_frame,
        "systems": system_means(rows),
        "rows": [without_infinities(row) for row in rows],
    }
    if out is not None:
        write_bytes_atomically(out, (json.dumps(record, indent=1) + "\n").encode())
    reporter.result(record, markdown_score_table(rows))


def system_means(rows: Sequence[ScoreRow]) -> dict[str, ScoreRow]:
    """Each method's mean over the clips that have the score; all clips weigh the same."""
    found: dict[str, ScoreRow] = {}
    for name in dict.fromkeys(row["row"] for row in rows):
        own = [without_infinities(row) for row in rows if row["row"] == name]
        mean: ScoreRow = {"clips": len(own), "frames": sum(row["frames"] for row in own)}
        for mark in SCORE_COLUMNS:
            known = [row[mark] for row in own if row[mark] is not None]
            mean[mark] = sum(known) / len(known) if known else None
        found[SYSTEM_NAMES.get(name, name)] = mean
    return found


def without_infinities(row: ScoreRow) -> ScoreRow:
    """The row with infinite values as None: JSON has no infinity, and identical pictures have an infinite PSNR."""
    return {k: None if isinstance(v, float) and not isfinite(v) else v for k, v in row.items()}


def markdown_score_table(
    rows: Sequence[ScoreRow], columns: ScoreColumns = SCORE_COLUMNS, heads: Sequence[str] = ("clip", "row", "frames")
) -> str:
    """The rows as a Markdown table of the scores that any row has."""
    names = [name for name in columns if any(row[name] is not None for row in rows)]
    head = [*heads, *(columns[name][0] for name in names)]
    lines = [head, ["---"] * (len(heads) - 1) + ["--:"] * (len(names) + 1)]
    lines += [
        [*(str(row[name]) for name in heads), *(format_score_cell(row[name], columns[name]) for name in names)]
        for row in rows
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def format_score_cell(score: float | None, column: tuple[str, int, int]) -> str:
    """A score in the unit and digits of its column; empty if missing."""
    _, unit, digits = column
    return "" if score is None else f"{score * unit:.{digits}f}"


def write_clip_sheet(tiles: Sequence[SheetTile], page: Path) -> None:
    """Write a PNG: rows for the ground truth and each method, a column per moment, cropped to the person."""
    window = padded_mask_slices(np.logical_or.reduce([tile.truth.person[0, 0].numpy() for tile in tiles]), 0.05)
    rows = {"truth": [tile.truth.pictures[0] for tile in tiles]}
    rows |= {way: [tile.made[way] for tile in tiles] for way in tiles[0].made}
    write_labelled_rows(
        {name: [crop_sheet_tile(picture, window) for picture in pictures] for name, pictures in rows.items()}, page
    )


def write_labelled_rows(rows: Mapping[str, Sequence[NDArray[np.uint8]]], page: Path) -> None:
    """Write labelled rows of pictures of one size as a PNG."""
    write_sheet(np.concatenate([label_sheet_line(join_sheet_tiles(row), name) for name, row in rows.items()]), page)


def label_sheet_line(line: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    """A line of a sheet with its name in the corner, written into it."""
    (width, height), below = cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, 0.7, 1)
    line[: height + below + 10, : width + 12] = 0
    cv2.putText(line, name, (6, height + 6), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 255), 1, cv2.LINE_AA)
    return line


def stack_sheet_rows(rows: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Lines of a sheet below each other, white where one is narrower."""
    widest = max(row.shape[1] for row in rows)
    return np.concatenate(
        [np.pad(row, ((0, 0), (0, widest - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    )


def write_sheet(sheet: NDArray[np.uint8], page: Path) -> None:
    """Write a sheet as a PNG; its folder may be new."""
    with raise_output_errors(page):
        page.parent.mkdir(exist_ok=True)
    _, data = cv2.imencode(".png", sheet[..., ::-1])
    write_bytes_atomically(page, data.tobytes())


def crop_sheet_tile(picture: UInt8[Tensor, "3 H W"], window: tuple[slice, slice]) -> NDArray[np.uint8]:
    """The window of a picture, scaled to the height of a tile."""
    part = torch.permute(picture, (1, 2, 0)).numpy()[window]
    width = max(1, round(part.shape[1] * SHEET_TILE_HEIGHT / part.shape[0]))
    return np.asarray(
        cv2.resize(np.ascontiguousarray(part), (width, SHEET_TILE_HEIGHT), interpolation=cv2.INTER_AREA), np.uint8
    )


def join_sheet_tiles(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Tiles side by side, with white gaps."""
    edged = [
        cv2.copyMakeBorder(p, 0, SHEET_TILE_GAP, 0, SHEET_TILE_GAP, cv2.BORDER_CONSTANT, value=(255, 255, 255))
        for p in pictures
    ]
    return np.ascontiguousarray(np.concatenate(edged, 1), np.uint8)


def picture_to_array(picture: Float[Tensor, "3 H W"]) -> NDArray[np.uint8]:
    """The picture as an array of bytes with channels last."""
    return np.ascontiguousarray((picture * 255 + 0.5).clamp(0, 255).byte().permute(1, 2, 0).numpy())
