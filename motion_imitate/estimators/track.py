"""Track the people of a run: each is looked for where the last look predicts; the detector finds new and lost
people."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np

from motion_imitate.estimators.blazepose import (
    CENTRE_POINT,
    TORSO_LANDMARKS,
    PersonCandidate,
    PersonLandmarks,
    landmark_similarity,
    points_on_mask,
    rois_match,
    share_on_mask,
)
from motion_imitate.estimators.roi import RgbImage, Roi, RoiFloats

CLEARER_WAY_UP = 1.2  # how much clearer a person must be the other way up
MASK_LANDMARKS = (*TORSO_LANDMARKS, 13, 14, 25, 26)  # joints that lie on the person's mask wherever they are visible

PersonDetector = Callable[[RgbImage], list[PersonCandidate]]
LandmarkDetector = Callable[[RgbImage, Roi, Sequence[PersonLandmarks]], PersonLandmarks]
"""Landmarks in a square crop of an image, with the people of the given looks masked out."""


@dataclass(frozen=True)
class Tracking:
    """Thresholds for following people through a run and for accepting new ones."""

    people: int = 3  # most people tracked
    score: float = 0.5  # below it, a look shows no person
    torso: float = 0.3  # least mean visibility of the shoulders and hips of a tracked person
    jump: float = 0.2  # crop sides that a person may move between looks, or
    speed: float = 3.0  # crop sides per second
    turn: float = 1.0  # radians that a person may turn in the image between looks, or
    turn_speed: float = 12.0  # radians per second
    grown: float = 2.0  # largest change in size between looks, as a factor
    same: float = 0.5  # similarity above which two looks show one person
    mixed: float = 0.3  # similarity above which they show parts of one person
    double: float = 0.75  # similarity above which a detection is a duplicate
    inside: float = 0.7  # share of a detection's mask on another person's, from which it may be a part of that person
    retry: int = 5  # looks between detector runs while a person is lost
    coast: int = 12  # looks after which a lost person is given up
    moved: float = 0.035  # crop sides that landmarks move, on average, between looks before one is added in between
    # new people must pass stricter thresholds
    new_score: float = 0.8
    new_torso: float = 0.8
    new_off_mask: int = 1  # most joints that may lie off the person's own mask
    new_stable: float = 0.6  # least similarity of a second look to the first
    new_fill: tuple[float, float] = (0.03, 0.6)  # allowed fraction of the crop that the mask fills
    new_inside: int = 2  # fewest shoulders and hips in the image
    new_side: float = 0.0  # least side of the crop, as a fraction of the image's longer side


@dataclass
class PersonTrack:
    """One person's looks, by frame, and where to look next."""

    looks: dict[int, PersonLandmarks]
    roi: Roi  # where to look next
    pace: RoiFloats = field(default_factory=lambda: np.zeros(2, np.float32))  # pixels per look
    lost: int = 0  # looks since the person was last found

    def record_look(self, at: int, seen: PersonLandmarks) -> None:
        """Add a look at frame `at` and predict the next crop from it."""
        if self.looks and not self.lost:
            self.pace = (self.pace + seen.points[CENTRE_POINT] - self.last.points[CENTRE_POINT]) / 2
        self.looks[at], self.roi, self.lost = seen, seen.next_roi().moved(self.pace), 0

    def record_miss(self) -> None:
        """Note that the person was not seen and move the next crop on at a decaying speed."""
        self.lost += 1
        self.pace = self.pace * 0.8
        self.roi = self.roi.moved(self.pace)

    def prediction_error(self, seen: PersonLandmarks) -> float:
        """Distance in pixels between a look and the predicted position."""
        return float(
            np.hypot(*(seen.points[CENTRE_POINT] - self.last.points[CENTRE_POINT] - self.pace * (1 + self.lost)))
        )

    @property
    def last(self) -> PersonLandmarks:
        """The latest look."""
        return next(reversed(self.looks.values()))


def track_people(
    images: Sequence[RgbImage],
    seconds: Sequence[float],
    search: PersonDetector,
    glance: LandmarkDetector,
    how: Tracking = Tracking(),
) -> list[PersonTrack]:
    """Tracks of all people in the run; looks are keyed by the index of the image."""
    known: list[PersonTrack] = []
    doubtful = False
    for at, image in enumerate(images):
        followed = [t for t in known if t.lost <= how.coast]
        update_tracks(followed, at, image, seconds, glance, how)
        missing = doubtful or not followed or any(t.lost for t in followed)
        if at == 0 or (missing and at % how.retry == 0):
            doubtful = add_new_people(known, at, image, search, glance, how)
    for trail in known:
        track_backwards(trail, images, seconds, glance, how)
    return known


def update_tracks(
    known: list[PersonTrack],
    at: int,
    image: RgbImage,
    seconds: Sequence[float],
    glance: LandmarkDetector,
    how: Tracking,
) -> None:
    """Look for every tracked person at the predicted crop; a person hidden by others is looked for with those masked
    out."""
    seen = [glance(image, trail.roi, ()) for trail in known]
    pauses = [seconds[at] - seconds[at - 1 - trail.lost] for trail in known]
    held = [continues_track(s, t.last, pause, how) for s, t, pause in zip(seen, known, pauses, strict=True)]
    for a, b in combinations(range(len(known)), 2):
        if held[a] and held[b] and landmark_similarity(seen[a], seen[b]) > how.same:
            held[max(a, b, key=lambda i: known[i].prediction_error(seen[i]))] = False
    sure = [s for s, h in zip(seen, held, strict=True) if h]
    for i, trail in enumerate(known):
        rivals = [s for s in sure if rois_are_near(trail.roi, s.roi)]
        if not held[i] and rivals:
            seen[i] = glance(image, trail.roi, rivals)
            held[i] = continues_track(seen[i], trail.last, pauses[i], how) and not matches_any_look(
                seen[i], rivals, how
            )
        if held[i]:
            trail.record_look(at, seen[i])
        else:
            trail.record_miss()


def continues_track(seen: PersonLandmarks, before: PersonLandmarks, pause: float, how: Tracking) -> bool:
    """Whether a look shows the same person as one taken `pause` seconds away."""
    moved = np.hypot(*(seen.points[CENTRE_POINT] - before.points[CENTRE_POINT]))
    near = moved < before.roi.side * max(how.jump, how.speed * abs(pause))
    now, then = seen.next_roi(), before.next_roi()
    turned = abs(math.remainder(now.turn - then.turn, 2 * math.pi)) < max(how.turn, how.turn_speed * abs(pause))
    alike = turned and 1 / how.grown < now.side / then.side < how.grown
    torso = seen.visible[list(TORSO_LANDMARKS)].mean() >= how.torso
    return bool(near and alike and seen.score >= how.score and torso)


def matches_any_look(seen: PersonLandmarks, others: Sequence[PersonLandmarks], how: Tracking) -> bool:
    """Whether a look shows the same person as one of `others`."""
    return any(landmark_similarity(seen, other) > how.same for other in others)


def add_new_people(
    known: list[PersonTrack], at: int, image: RgbImage, search: PersonDetector, glance: LandmarkDetector, how: Tracking
) -> bool:
    """Run the detector, resume lost tracks and start new ones; returns whether a candidate remains unclear."""
    doubtful = False
    for candidate in search(image):
        here = [t.looks[at] for t in known if at in t.looks]
        if len(here) == how.people:
            break
        if any(rois_match(seen.roi, candidate.roi) for seen in here):
            continue
        first = look_right_way_up(image, candidate.roi, glance)
        rivals = [
            seen
            for seen in here
            if landmark_similarity(first, seen) > how.mixed or share_on_mask(first, seen) > how.inside
        ]
        if first.score < how.score or any(landmark_similarity(first, seen) > how.double for seen in rivals):
            continue
        if rivals:
            first = glance(image, glance(image, candidate.roi, rivals).next_roi(), rivals)
        again = glance(image, first.next_roi(), rivals)
        if any(landmark_similarity(again, seen) > how.mixed for seen in here):
            doubtful = True
            continue
        lost = [
            t for t in known if t.lost and rois_are_near(t.roi, again.roi) and continues_track(again, t.last, 1.0, how)
        ]
        if lost:
            lost[0].record_look(at, again)
        elif is_new_person(first, again, rivals, image.shape[:2], how):
            known.append(PersonTrack({at: again}, again.next_roi()))
        else:
            doubtful = True
    return doubtful


def look_right_way_up(image: RgbImage, roi: Roi, glance: LandmarkDetector) -> PersonLandmarks:
    """Landmarks in a crop; of a person who seems upside down, those in the crop turned round if they are clearer."""
    seen = glance(image, roi, ())
    if math.cos(seen.next_roi().turn) > 0:
        return seen
    turned = glance(image, replace(roi, turn=roi.turn + math.pi), ())
    again, other = (glance(image, one.next_roi(), ()) for one in (seen, turned))
    clearness = [look.score * look.visible.mean() for look in (again, other)]
    return other if clearness[1] > CLEARER_WAY_UP * clearness[0] else seen


def rois_are_near(a: Roi, b: Roi) -> bool:
    """Whether the centres of two crops are less than half a side apart."""
    return bool(np.hypot(a.x - b.x, a.y - b.y) < 0.5 * max(a.side, b.side))


def is_new_person(
    first: PersonLandmarks,
    again: PersonLandmarks,
    rivals: Sequence[PersonLandmarks],
    size: tuple[int, int],
    how: Tracking,
) -> bool:
    """Whether two looks, the second at the crop that the first predicts, show a new person, possibly behind
    `rivals`."""
    joints = again.points[list(MASK_LANDMARKS)]
    part = joints / np.array(size[::-1])
    inside = np.all((part > 0.02) & (part < 0.98), axis=1)
    if inside[: len(TORSO_LANDMARKS)].sum() < how.new_inside or again.roi.side < how.new_side * max(size):
        return False
    torso = again.visible[list(TORSO_LANDMARKS)][inside[: len(TORSO_LANDMARKS)]].mean()
    stable = landmark_similarity(first, again) >= how.new_stable and again.score >= how.new_score
    fill = (again.mask > 0).mean()
    bare = ~np.any([points_on_mask(seen, joints) for seen in (again, *rivals)], axis=0)[inside]
    clear = torso >= how.new_torso and bare.sum() <= how.new_off_mask
    return bool(clear and stable and how.new_fill[0] < fill < how.new_fill[1])


def track_backwards(
    trail: PersonTrack, images: Sequence[RgbImage], seconds: Sequence[float], glance: LandmarkDetector, how: Tracking
) -> None:
    """Extend a track towards the start of the run."""
    first = min(trail.looks)
    before = trail.looks[first]
    earlier: dict[int, PersonLandmarks] = {}
    for at in range(first - 1, -1, -1):
        seen = glance(images[at], before.next_roi(), ())
        if not continues_track(seen, before, seconds[at + 1] - seconds[at], how):
            break
        earlier[at] = before = seen
    trail.looks = dict(sorted((earlier | trail.looks).items()))
