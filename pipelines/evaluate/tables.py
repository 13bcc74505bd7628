"""What came of an evaluation: a table, a file, and pictures to look at."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, isnan
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from torch import Tensor

from motion_imitate.estimators.matte import around
from motion_imitate.files import put, trouble
from pipelines.evaluate.options import Evaluating
from pipelines.evaluate.scores import Marks, Sample
from pipelines.output_path import Refused, refuse
from pipelines.reporter import Talk

HEIGHT = 480  # pixels of a picture of a sheet
GAP = 6  # between them
COLUMNS = {  # of the table: what it is called, in what unit, with how many digits
    "person_psnr": ("person PSNR, dB", 1, 1),
    "person_ssim": ("person SSIM", 1, 3),
    "person_ms_ssim": ("person MS-SSIM", 1, 3),
    "aligned_ssim": ("person SSIM slid to fit", 1, 3),
    "perceptual": ("perceptual", 1, 3),
    "aligned": ("perceptual slid to fit", 1, 3),
    "face": ("face", 1, 2),
    "outline": ("outline IoU", 1, 3),
    "pose_error": ("pose error, %", 100, 1),
    "found": ("found, %", 100, 0),
    "flicker": ("flicker", 1, 1),
    "seen": ("seen, %", 100, 0),
    "mirrored": ("mirrored, %", 100, 0),
    "opposite": ("opposite, %", 100, 0),
    "made_up": ("made up, %", 100, 0),
    "psnr": ("PSNR, dB", 1, 1),
    "ssim": ("SSIM", 1, 3),
}
SYSTEMS = {"copy": "copy-source"}  # what rows are called among systems, where not as in the table
WHOLE = ("psnr", "ssim")  # of the whole picture: they mean nothing where the background is another's

Row = dict[str, Any]


@dataclass(frozen=True)
class Tile:
    """A moment: the truth, and what was made of it."""

    truth: Sample
    made: dict[str, UInt8[Tensor, "3 H W"]]


def places(
    jobs: Sequence[tuple[Path, Path]], made_up: bool, out: Path | None, folder: Path | None, overwrite: bool
) -> list[Path | None]:
    """Where each job's sheet goes, and at last that of people who are made up, if there are any; refuses what may not,
    or cannot, be written."""
    for clip in dict.fromkeys(path for job in jobs for path in job):
        if not clip.exists():
            raise FileNotFoundError(f"no file {clip}; give a clip")
    if out is not None:
        refuse(out, [path for job in jobs for path in job], (".json",), overwrite)
    if folder is None:
        return [None] * (len(jobs) + made_up)
    if folder.exists() and not folder.is_dir():
        raise Refused(f"{folder} is not a folder; name one after --sheet, or one that is not there yet")
    if not folder.parent.is_dir():
        raise Refused(f"there is no folder {folder.parent}; make it first, or name another after --sheet")
    pages = [folder / f"{i}_{'_'.join(dict.fromkeys(p.stem for p in job))}.png" for i, job in enumerate(jobs, 1)]
    pages += [folder / "made_up.png"] * made_up
    for page in pages if folder.is_dir() else []:
        refuse(page, (), (".png",), overwrite)
    return [*pages]


def means(each: Sequence[Marks], whole: bool) -> Row:
    """The mean of each mark over the frames that have it."""
    row: Row = {"frames": len(each)}
    for name in COLUMNS:
        known = [marks[name] for marks in each if not isnan(marks.get(name, float("nan")))]
        row[name] = sum(known) / len(known) if known and (whole or name not in WHOLE) else None
    return row


def given(rows: Sequence[Row], how: Evaluating, out: Path | None, talk: Talk) -> None:
    """The table to stdout, all digits to the file."""
    record = {
        "every": how.every,
        "source_frame": how.source_frame,
        "systems": systems(rows),
        "rows": [finite(row) for row in rows],
    }
    if out is not None:
        put(out, (json.dumps(record, indent=1) + "\n").encode())
    talk.result(record, table(rows))


def systems(rows: Sequence[Row]) -> dict[str, Row]:
    """Each way's mean over the clips in which a mark is known, every clip counting alike."""
    found: dict[str, Row] = {}
    for name in dict.fromkeys(row["row"] for row in rows):
        own = [finite(row) for row in rows if row["row"] == name]
        mean: Row = {"clips": len(own), "frames": sum(row["frames"] for row in own)}
        for mark in COLUMNS:
            known = [row[mark] for row in own if row[mark] is not None]
            mean[mark] = sum(known) / len(known) if known else None
        found[SYSTEMS.get(name, name)] = mean
    return found


def finite(row: Row) -> Row:
    """JSON has no infinity: pictures that are the same have no PSNR there."""
    return {k: None if isinstance(v, float) and not isfinite(v) else v for k, v in row.items()}


def table(rows: Sequence[Row]) -> str:
    """In Markdown."""
    names = [name for name in COLUMNS if any(row[name] is not None for row in rows)]
    head = ["clip", "row", "frames", *(COLUMNS[name][0] for name in names)]
    lines = [head, ["---"] * 2 + ["--:"] * (len(head) - 2)]
    lines += [[row["clip"], row["row"], str(row["frames"]), *(cell(row, name) for name in names)] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(row: Row, name: str) -> str:
    _, unit, digits = COLUMNS[name]
    return "" if row[name] is None else f"{row[name] * unit:.{digits}f}"


def sheet(tiles: Sequence[Tile], page: Path) -> None:
    """A row of the truth and one for each way, a column for each moment, all cut to where the person is."""
    window = around(np.logical_or.reduce([tile.truth.person[0, 0].numpy() for tile in tiles]), 0.05)
    rows = {"truth": [tile.truth.pictures[0] for tile in tiles]}
    rows |= {way: [tile.made[way] for tile in tiles] for way in tiles[0].made}
    drawn_up({name: [cut(picture, window) for picture in pictures] for name, pictures in rows.items()}, page)


def drawn_up(rows: Mapping[str, Sequence[NDArray[np.uint8]]], page: Path) -> None:
    """Named rows of pictures of one size, as a file."""
    lines = [beside(pictures) for pictures in rows.values()]
    for line, name in zip(lines, rows, strict=True):
        for colour, width in (((0, 0, 0), 4), ((255, 255, 255), 1)):
            cv2.putText(line, name, (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, colour, width, cv2.LINE_AA)
    with trouble(page):
        page.parent.mkdir(exist_ok=True)
    _, data = cv2.imencode(".png", np.concatenate(lines)[..., ::-1])
    put(page, data.tobytes())


def cut(picture: UInt8[Tensor, "3 H W"], window: tuple[slice, slice]) -> NDArray[np.uint8]:
    part = torch.permute(picture, (1, 2, 0)).numpy()[window]
    width = max(1, round(part.shape[1] * HEIGHT / part.shape[0]))
    return np.asarray(cv2.resize(np.ascontiguousarray(part), (width, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def beside(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    edged = [cv2.copyMakeBorder(p, 0, GAP, 0, GAP, cv2.BORDER_CONSTANT, value=(255, 255, 255)) for p in pictures]
    return np.ascontiguousarray(np.concatenate(edged, 1), np.uint8)
