"""The people of a run, each looked at where the last look says, found by the detector at first and when lost."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from motion_imitate.estimators.blazepose import CENTRE, SIZE, TORSO, Candidate, Look, alike, similarity
from motion_imitate.estimators.roi import Floats, Picture, Roi

ON_MASK = (*TORSO, 13, 14, 25, 26)  # joints that lie on the person wherever they are seen

Search = Callable[[Picture], list[Candidate]]
Glance = Callable[[Picture, Roi, Sequence[Look]], Look]
"""A look at a square of a picture in which the people of some other looks are hidden."""


@dataclass(frozen=True)
class Tracking:
    people: int = 3  # at most
    score: float = 0.5  # below it, a look shows nobody
    torso: float = 0.3  # least visibility of shoulders and hips of somebody who is followed
    jump: float = 0.2  # sides of the square that a person may move between looks, or
    speed: float = 3.0  # sides a second
    same: float = 0.5  # similarity from which two looks show one person
    mixed: float = 0.3  # similarity from which they show parts of one
    double: float = 0.75  # similarity from which the detector is taken to have found somebody twice
    retry: int = 5  # looks from one search for somebody who is lost to the next
    coast: int = 12  # looks after which nobody looks for a lost person any more
    # somebody new has to be clearer than somebody known
    new_score: float = 0.8
    new_torso: float = 0.8
    new_off_mask: int = 1  # joints that may lie off the person's own mask
    new_stable: float = 0.6  # similarity of a second look to the first
    new_fill: tuple[float, float] = (0.03, 0.6)  # part of the square that the mask fills


@dataclass
class Trail:
    """One person, look by look."""

    looks: dict[int, Look]
    roi: Roi  # where to look next
    pace: Floats = field(default_factory=lambda: np.zeros(2, np.float32))  # pixels from look to look
    lost: int = 0  # looks since the person was last seen

    def take(self, at: int, seen: Look) -> None:
        if self.looks and not self.lost:
            self.pace = (self.pace + seen.points[CENTRE] - self.last.points[CENTRE]) / 2
        self.looks[at], self.roi, self.lost = seen, seen.next_roi().moved(self.pace), 0

    def miss(self) -> None:
        self.lost += 1
        self.pace = self.pace * 0.8
        self.roi = self.roi.moved(self.pace)

    def surprise(self, seen: Look) -> float:
        """How far a look is from where the person was expected, in pixels."""
        return float(np.hypot(*(seen.points[CENTRE] - self.last.points[CENTRE] - self.pace * (1 + self.lost))))

    @property
    def last(self) -> Look:
        return next(reversed(self.looks.values()))


def trails(
    images: Sequence[Picture], seconds: Sequence[float], search: Search, glance: Glance, how: Tracking = Tracking()
) -> list[Trail]:
    """Everybody in the run, and the looks at them by the image's number."""
    known: list[Trail] = []
    doubtful = False
    for at, image in enumerate(images):
        followed = [t for t in known if t.lost <= how.coast]
        go_on(followed, at, image, seconds, glance, how)
        missing = doubtful or not followed or any(t.lost for t in followed)
        if at == 0 or (missing and at % how.retry == 0):
            doubtful = meet(known, at, image, search, glance, how)
    for trail in known:
        look_back(trail, images, seconds, glance, how)
    return known


def go_on(known: list[Trail], at: int, image: Picture, seconds: Sequence[float], glance: Glance, how: Tracking) -> None:
    """Look for everybody where they should be; whoever is hidden by another, behind that one."""
    seen = [glance(image, trail.roi, ()) for trail in known]
    pauses = [seconds[at] - seconds[at - 1 - trail.lost] for trail in known]
    held = [holds(s, t.last, pause, how) for s, t, pause in zip(seen, known, pauses, strict=True)]
    for a, b in combinations(range(len(known)), 2):
        if held[a] and held[b] and similarity(seen[a], seen[b]) > how.same:
            held[max(a, b, key=lambda i: known[i].surprise(seen[i]))] = False
    sure = [s for s, h in zip(seen, held, strict=True) if h]
    for i, trail in enumerate(known):
        rivals = [s for s in sure if close(trail.roi, s.roi)]
        if not held[i] and rivals:
            seen[i] = glance(image, trail.roi, rivals)
            held[i] = holds(seen[i], trail.last, pauses[i], how) and not known_one(seen[i], rivals, how)
        if held[i]:
            trail.take(at, seen[i])
        else:
            trail.miss()


def holds(seen: Look, before: Look, pause: float, how: Tracking) -> bool:
    """Whether a look shows the person that was seen `pause` seconds from it."""
    moved = np.hypot(*(seen.points[CENTRE] - before.points[CENTRE]))
    near = moved < before.roi.side * max(how.jump, how.speed * abs(pause))
    return bool(near and seen.score >= how.score and seen.visible[list(TORSO)].mean() >= how.torso)


def known_one(seen: Look, others: Sequence[Look], how: Tracking) -> bool:
    return any(similarity(seen, other) > how.same for other in others)


def meet(known: list[Trail], at: int, image: Picture, search: Search, glance: Glance, how: Tracking) -> bool:
    """Search the image; go on with those who were lost, and start trails of those who are new. Is anybody in doubt?"""
    doubtful = False
    for candidate in search(image):
        here = [t.looks[at] for t in known if at in t.looks]
        if len(here) == how.people:
            break
        if any(alike(seen.roi, candidate.roi) for seen in here):
            continue
        first = glance(image, candidate.roi, ())
        rivals = [seen for seen in here if similarity(first, seen) > how.mixed]
        if first.score < how.score or any(similarity(first, seen) > how.double for seen in rivals):
            continue
        if rivals:
            first = glance(image, glance(image, candidate.roi, rivals).next_roi(), rivals)
        again = glance(image, first.next_roi(), rivals)
        if any(similarity(again, seen) > how.mixed for seen in here):
            doubtful = True
            continue
        lost = [t for t in known if t.lost and close(t.roi, again.roi) and holds(again, t.last, 1.0, how)]
        if lost:
            lost[0].take(at, again)
        elif convincing(first, again, rivals, image.shape[:2], how):
            known.append(Trail({at: again}, again.next_roi()))
        else:
            doubtful = True
    return doubtful


def close(a: Roi, b: Roi) -> bool:
    return bool(np.hypot(a.x - b.x, a.y - b.y) < 0.5 * max(a.side, b.side))


def convincing(first: Look, again: Look, rivals: Sequence[Look], size: tuple[int, int], how: Tracking) -> bool:
    """Whether two looks at somebody new, the second where the first one says, show a person, maybe behind rivals."""
    joints = again.points[list(ON_MASK)]
    part = joints / np.array(size[::-1])
    inside = np.all((part > 0.02) & (part < 0.98), axis=1)
    if inside[: len(TORSO)].sum() < 2:
        return False
    torso = again.visible[list(TORSO)][inside[: len(TORSO)]].mean()
    stable = similarity(first, again) >= how.new_stable and again.score >= how.new_score
    fill = (again.mask > 0).mean()
    bare = ~np.any([on_mask(seen, joints) for seen in (again, *rivals)], axis=0)[inside]
    clear = torso >= how.new_torso and bare.sum() <= how.new_off_mask
    return bool(clear and stable and how.new_fill[0] < fill < how.new_fill[1])


def on_mask(seen: Look, points: Floats) -> NDArray[np.bool_]:
    """Which of the points lie on the person who is seen."""
    matrix = seen.roi.matrix(SIZE)
    pixel = np.linalg.solve(matrix[:, :2], (points - matrix[:, 2]).T).round().astype(int)
    x, y = pixel.clip(0, SIZE - 1)
    return np.asarray((seen.mask[y, x] > 0) & np.all((pixel >= 0) & (pixel < SIZE), axis=0))


def look_back(trail: Trail, images: Sequence[Picture], seconds: Sequence[float], glance: Glance, how: Tracking) -> None:
    """Follow somebody who was found late towards the start of the run."""
    first = min(trail.looks)
    before = trail.looks[first]
    earlier: dict[int, Look] = {}
    for at in range(first - 1, -1, -1):
        seen = glance(images[at], before.next_roi(), ())
        if not holds(seen, before, seconds[at + 1] - seconds[at], how):
            break
        earlier[at] = before = seen
    trail.looks = dict(sorted((earlier | trail.looks).items()))
