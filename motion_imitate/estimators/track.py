"""The people of a run, each looked at where the last look says, found by the detector at first and when lost."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from motion_imitate.estimators.blazepose import CENTRE, HIPS, POINTS, SHOULDERS, SIZE, TORSO, Candidate, Look, alike, similarity
from motion_imitate.estimators.roi import Floats, Picture, Roi

ON_MASK = (*TORSO, 13, 14, 25, 26)  # joints that lie on the person wherever they are seen

Search = Callable[[Picture], list[Candidate]]
Glance = Callable[[Picture, Roi], Look]


@dataclass(frozen=True)
class Tracking:
    people: int = 3  # at most
    score: float = 0.5  # below it, a look shows nobody
    torso: float = 0.3  # least visibility of shoulders and hips of somebody who is followed
    jump: float = 0.2  # sides of the square that a person may move between looks, or
    speed: float = 3.0  # sides a second
    same: float = 0.5  # similarity from which two looks show one person
    retry: int = 5  # looks from one search for somebody who is lost to the next
    coast: int = 12  # looks after which nobody looks for a lost person any more
    # somebody new has to be clearer than somebody known
    new_score: float = 0.8
    new_torso: float = 0.8
    new_on_mask: float = 0.85  # part of the joints that lie on the person's own mask
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
        self.looks[at], self.roi, self.lost = seen, seen.next_roi(), 0

    def miss(self) -> None:
        self.lost += 1
        self.pace = self.pace * 0.8
        self.roi = self.roi.moved(self.pace)

    @property
    def last(self) -> Look:
        return next(reversed(self.looks.values()))


def trails(
    images: Sequence[Picture], seconds: Sequence[float], search: Search, glance: Glance, how: Tracking = Tracking()
) -> list[Trail]:
    """Everybody in the run, and the looks at them by the image's number."""
    known: list[Trail] = []
    for at, image in enumerate(images):
        seen_now = [t for t in known if t.lost <= how.coast]
        pause = seconds[at] - seconds[at - 1] if at else 0.0
        for trail in seen_now:
            step(trail, at, glance(image, trail.roi), pause, how)
        part_twins(seen_now, at, how)
        missing = not seen_now or any(t.lost for t in seen_now)
        if at == 0 or (missing and at % how.retry == 0):
            meet(known, at, image, search, glance, how)
    for trail in known:
        look_back(trail, images, seconds, glance, how)
    return known


def step(trail: Trail, at: int, seen: Look, pause: float, how: Tracking) -> None:
    if holds(seen, trail.last, pause * (1 + trail.lost), how):
        trail.take(at, seen)
    else:
        trail.miss()


def holds(seen: Look, before: Look, pause: float, how: Tracking) -> bool:
    """Whether a look shows the person that was seen `pause` seconds from it."""
    moved = np.hypot(*(seen.points[CENTRE] - before.points[CENTRE]))
    near = moved < before.roi.side * max(how.jump, how.speed * pause)
    return bool(near and seen.score >= how.score and seen.visible[list(TORSO)].mean() >= how.torso)


def part_twins(known: list[Trail], at: int, how: Tracking) -> None:
    """Where two trails have come to the same person, the one that fits its past less has lost its own."""
    for a, b in combinations(known, 2):
        if at in a.looks and at in b.looks and similarity(a.looks[at], b.looks[at]) > how.same:
            worse = min(a, b, key=steadiness)
            del worse.looks[at]
            worse.miss()
            worse.looks or known.remove(worse)


def steadiness(trail: Trail) -> float:
    """How well the last look fits the one before."""
    *_, before, last = [None, *trail.looks.values()]
    return similarity(before, last) if before else 0.0


def meet(known: list[Trail], at: int, image: Picture, search: Search, glance: Glance, how: Tracking) -> None:
    """Search the image; go on with those who were lost, and start trails of those who are new."""
    for candidate in search(image):
        if sum(t.lost <= how.coast for t in known) >= how.people and not any(t.lost for t in known):
            return
        here = [t for t in known if at in t.looks]
        if any(alike(t.looks[at].roi, candidate.roi) for t in here):
            continue
        first = glance(image, candidate.roi)
        if any(similarity(first, t.looks[at]) > 0.3 for t in here) or first.score < how.score:
            continue
        seen = glance(image, first.next_roi())
        lost = [t for t in known if t.lost and near(t, seen)]
        if lost and holds(seen, lost[0].last, 1.0, how):
            lost[0].take(at, seen)
        elif convincing(first, seen, image.shape[:2], how) and len(here) < how.people:
            known.append(Trail({}, seen.roi))
            known[-1].take(at, seen)


def near(trail: Trail, seen: Look) -> bool:
    return bool(np.hypot(trail.roi.x - seen.roi.x, trail.roi.y - seen.roi.y) < 0.5 * trail.roi.side)


def convincing(first: Look, again: Look, size: tuple[int, int], how: Tracking) -> bool:
    """Whether two looks at somebody new, the second where the first one says, show a person."""
    inside = ((again.points >= 0) & (again.points < size[::-1])).all(1)
    clear = [i for i in TORSO if inside[i]]
    surely = len(clear) >= 2 and again.visible[clear].mean() >= how.new_torso
    stable = similarity(first, again) >= how.new_stable and again.score >= how.new_score
    fill = (again.mask > 0).mean()
    return bool(
        surely and stable and how.new_fill[0] < fill < how.new_fill[1] and on_mask(again, inside) >= how.new_on_mask
    )


def on_mask(seen: Look, inside: Floats) -> float:
    """The part of the joints inside the picture that lie on the person's mask."""
    matrix = seen.roi.matrix(SIZE)
    pixel = np.linalg.solve(matrix[:, :2], (seen.points[list(ON_MASK)] - matrix[:, 2]).T).round().astype(int)
    x, y = pixel.clip(0, SIZE - 1)
    on = (seen.mask[y, x] > 0) & (pixel >= 0).all(0) & (pixel < SIZE).all(0)
    return float(on[inside[list(ON_MASK)]].mean()) if inside[list(ON_MASK)].any() else 0.0


def look_back(trail: Trail, images: Sequence[Picture], seconds: Sequence[float], glance: Glance, how: Tracking) -> None:
    """Follow somebody who was found late towards the start of the run."""
    first = min(trail.looks)
    before = trail.looks[first]
    earlier: dict[int, Look] = {}
    for at in range(first - 1, -1, -1):
        seen = glance(images[at], before.next_roi())
        if not holds(seen, before, seconds[at + 1] - seconds[at], how):
            break
        earlier[at] = before = seen
    trail.looks = dict(sorted((earlier | trail.looks).items()))
