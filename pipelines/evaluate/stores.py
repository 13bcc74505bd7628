"""`motion-imitate evaluate --store`: systems draw people of held-out pairs of views, whose truth the store holds."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import nan
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motion_imitate.bodies.keypoints import KEYPOINT_SETS
from motion_imitate.estimators.face import FaceNets, FaceThresholds, align_faces
from motion_imitate.estimators.landmarks import LandmarkEstimator, Landmarking
from motion_imitate.files import write_bytes_atomically
from motion_imitate.metrics.features import frechet_distance, pool_features, retrieval_recall
from motion_imitate.metrics.images import face_distance, ms_ssim, perceptual_distance, points_within, ssim
from motion_imitate.synthesis.photo_damage import BatchRandom
from motion_imitate.training.backbones import load_lite0
from motion_imitate.training.decoded_store import SETTINGS_FILE, DecodedStore, open_decoded_store
from motion_imitate.training.losses import FeatureExtractor
from motion_imitate.training.pair_inputs import photo_over_grey, to_unit_range, truth_over_grey
from motion_imitate.training.store_pairs import PairBatch, PersonViews, StorePairs
from motion_imitate.types import Batched
from pipelines.evaluate.options import StoreEvaluationOptions
from pipelines.evaluate.scores import find_person_near
from pipelines.evaluate.store_systems import DrawPairs, open_store_systems
from pipelines.evaluate.tables import ScoreColumns, ScoreRow, markdown_score_table, without_infinities
from pipelines.output_path import UsageError, check_output_path
from pipelines.reporter import Reporter

PAIRS_PER_BATCH = 20
LEAST_FACE = 24.0  # pixels of a face's box, from where on faces are compared
FACING = 0.5  # how directly such a face must look into the camera
RECALLS = (1, 5, 10)
NEAR_SHARE = 0.1  # of the person's longer side: a point so near its truth counts as found
POINT_NAMES = KEYPOINT_SETS["blazepose33"]
BODY_PARTS = ("eye", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
PART_ROWS = {
    part: [POINT_NAMES.index(f"{part}_{side}") for side in ("left", "right")] for part in BODY_PARTS
}  # of BlazePose's points
STORE_COLUMNS: ScoreColumns = {
    "ssim": ("SSIM", 1, 3),
    "ms_ssim": ("MS-SSIM", 1, 3),
    "person_ssim": ("person SSIM", 1, 3),
    "perceptual": ("perceptual", 1, 3),
    "frechet": ("Fréchet", 1, 2),
    "found": ("found, %", 100, 0),
    "pck": ("PCK, %", 100, 1),
    **{f"pck_{part}": (f"{part}s", 100, 0) for part in BODY_PARTS},
    **{f"recall_{most}": (f"recall@{most}, %", 100, 1) for most in RECALLS},
    "face": ("face", 1, 2),
    "faces": ("faces", 1, 0),
}


@dataclass(frozen=True)
class StoreJudges:
    """The networks that measure pictures."""

    eyes: LandmarkEstimator
    faces: FaceNets
    features: FeatureExtractor


@dataclass(frozen=True)
class NumberedPairs(Batched):
    """Pairs of views, and the number of the person of each."""

    person: Int[Tensor, " B"]
    pairs: PairBatch


@dataclass
class SystemScores:
    """What is known of a system's pictures: lists of numbers by score, and rows of features."""

    numbers: dict[str, list[Tensor]] = field(default_factory=dict)
    features: list[Tensor] = field(default_factory=list)

    def add(self, scores: dict[str, Tensor]) -> None:
        """Add the scores of a batch; NaN where there is nothing to measure."""
        for name, values in scores.items():
            self.numbers.setdefault(name, []).append(values.flatten().float())

    def means(self) -> ScoreRow:
        """The mean of each score over what was measured."""
        joined = {name: torch.cat(values) for name, values in self.numbers.items()}
        known = {name: values[~values.isnan()] for name, values in joined.items()}
        row: ScoreRow = {name: float(values.mean()) if len(values) else None for name, values in known.items()}
        return row | {"faces": len(known["face"])}


def load_store_judges(threads: int) -> StoreJudges:
    """The networks for pictures one by one: the pose network, the face networks and the backbone."""
    eyes = LandmarkEstimator(Landmarking(threads=threads, rate=1e6))
    return StoreJudges(eyes, FaceNets(FaceThresholds(pixels=LEAST_FACE), threads=threads), load_lite0())


def select_store_people(path: Path, store: DecodedStore) -> StorePairs:
    """All people of a store of held-out assets; of another one those that training leaves out."""
    held = json.loads((path / SETTINGS_FILE).read_text()).get("closet", {}).get("part") == "held"
    return StorePairs.select(store, "all" if held else "held")


def draw_numbered_pairs(pairs: StorePairs, count: int, seed: int) -> Iterator[NumberedPairs]:
    """Batches of random pairs, the same for a seed."""
    generator = torch.Generator().manual_seed(seed)
    for start in range(0, count, PAIRS_PER_BATCH):
        random = BatchRandom(generator, min(PAIRS_PER_BATCH, count - start))
        first, second = pairs.draw_numbers(random)
        yield NumberedPairs(first // pairs.store.views, pairs.read_pairs(first, second, random))


@torch.no_grad()
def score_pictures(made: Float[Tensor, "B 3 H W"], target: PersonViews, judges: StoreJudges) -> dict[str, Tensor]:
    """Scores of drawn people against the truth, by name."""
    truth, person = to_unit_range(truth_over_grey(target)), target.alpha > 0.5
    scores = {
        "ssim": ssim(made, truth),
        "ms_ssim": ms_ssim(made, truth),
        "person_ssim": ssim(made, truth, person),
        "perceptual": perceptual_distance(judges.features, made, truth, person),
        "face": torch.tensor(
            [compare_faces(made[k], truth[k], target[k : k + 1], judges.faces) for k in range(len(made))]
        ),
    }
    return scores | localise_parts(made, target, judges.eyes)


def localise_parts(
    made: Float[Tensor, "B 3 H W"], target: PersonViews, look: LandmarkEstimator
) -> dict[str, Float[Tensor, " _"]]:
    """Where the pose network finds visible points near their true places (PCK): of all parts, and of each."""
    size = (made.shape[2], made.shape[3])
    visible = (target.visible > 0.5) & (target.points.abs() < 1).all(-1)
    seen = [
        find_person_near((picture * 255 + 0.5).byte(), points, look)
        for picture, points in zip(made, target.points, strict=True)
    ]
    places = torch.stack([torch.full((33, 2), torch.inf) if one is None else one.points[0] for one in seen])
    hits = torch.where(visible, points_within(places, target.points, visible, size, NEAR_SHARE).float(), nan)
    parts = {f"pck_{part}": hits[:, rows] for part, rows in PART_ROWS.items()}
    found = torch.tensor([float(one is not None) for one in seen])
    return parts | {"pck": torch.cat(list(parts.values()), 1), "found": found}


def compare_faces(
    made: Float[Tensor, "3 H W"], truth: Float[Tensor, "3 H W"], target: PersonViews, faces: FaceNets
) -> float:
    """Distance of the identities at the true face; NaN if that is small, turned away or not found."""
    box = target.face[0]
    height = float(box[3] - box[1]) / 2 * truth.shape[1]
    if height < LEAST_FACE or float(target.face_turned[0]) < FACING:
        return nan
    face = faces.find(truth, target.points[0])
    if face is None:
        return nan
    cut = align_faces(torch.stack([made, truth]), face.points.expand(2, -1, -1))
    return float(face_distance(faces.identity, cut[:1], cut[1:]))


@torch.no_grad()
def score_store_systems(
    pairs: StorePairs, count: int, seed: int, ways: dict[str, DrawPairs], judges: StoreJudges, reporter: Reporter
) -> list[ScoreRow]:
    """A row of mean scores for each system."""
    scores = {name: SystemScores() for name in ways}
    people, gallery, real = list[Tensor](), list[Tensor](), list[Tensor]()
    for some in reporter.track_progress(draw_numbered_pairs(pairs, count, seed), "pairs", count):
        batch = some.pairs
        people.append(some.person)
        gallery.append(pool_features(judges.features, to_unit_range(photo_over_grey(batch.source))))
        real.append(pool_features(judges.features, to_unit_range(truth_over_grey(batch.target))))
        for name, draw in ways.items():
            made = draw(batch)
            scores[name].add(score_pictures(made, batch.target, judges))
            scores[name].features.append(pool_features(judges.features, made))
    who, sources, truth = (torch.cat(each) for each in (people, gallery, real))
    rows = []
    for name, one in scores.items():
        drawn = torch.cat(one.features)
        found = {f"recall_{most}": float(retrieval_recall(drawn, sources, who, who, most).mean()) for most in RECALLS}
        rows.append(
            {"row": name, "pairs": count} | one.means() | found | {"frechet": float(frechet_distance(drawn, truth))}
        )
    return rows


def evaluate_store(
    how: StoreEvaluationOptions,
    weights: dict[str, Path],
    seed: int,
    threads: int,
    out: Path | None,
    overwrite: bool,
    reporter: Reporter,
) -> None:
    """Evaluate systems on held-out pairs of a store, and write the results."""
    assert how.store is not None
    if out is not None:
        check_output_path(out, (), (".json",), overwrite)
    torch.set_num_threads(threads)
    store = open_decoded_store(how.store)
    pairs = select_store_people(how.store, store)
    if not len(pairs.people):
        raise UsageError(f"{how.store} has no held-out people; give a store of five people or more")
    ways = open_store_systems(how.systems, weights, pairs.size)
    rows = score_store_systems(pairs, how.pairs, seed, ways, load_store_judges(threads), reporter)
    record = {
        "store": str(how.store),
        "pairs": how.pairs,
        "seed": seed,
        "rows": [without_infinities(row) for row in rows],
    }
    if out is not None:
        write_bytes_atomically(out, (json.dumps(record, indent=1) + "\n").encode())
    reporter.result(record, markdown_score_table(rows, STORE_COLUMNS, ("row", "pairs")))
