"""Follow one person through the runs of a video."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.types import Sighting

HIP_INDICES, SHOULDER_INDICES = [23, 24], [11, 12]


@dataclass(frozen=True)
class Following:
    """Thresholds for recognizing the people of one run in the next."""

    coast: float = 1.0  # seconds out of sight after which a person is no longer searched for by position
    reach: float = 0.3  # how far from the predicted position a person may be, in sides of their crop
    speed: float = 0.7  # how much farther per second out of sight
    grown: float = 1.7  # largest allowed change in size, as a factor
    pace: float = 0.15  # seconds over which the speed is measured


@dataclass(frozen=True)
class KnownPerson:
    """A person as last seen. Lengths are in image points."""

    points: Float[Tensor, "K 2"]
    visible: Float[Tensor, " K"]
    side: Float[Tensor, " 2"]  # of the crop, along x and y
    pace: Float[Tensor, " 2"]  # per second
    since: float  # seconds
    until: float


def follow_person(
    runs: Iterable[list[Sighting]], who: str | int = "largest", how: Following = Following()
) -> Iterator[Sighting]:
    """One person's sightings, one per run: the largest, left, right or `who`-th from the left when people first appear.

    A run without the person has score 0 and holds their last landmarks. After more than `coast` seconds, a new person
    of about the same size is taken for them, since people return. After a cut the person is chosen anew: the largest
    if there is no `who`-th. A run must lie in one shot.
    """
    known: list[KnownPerson] = []
    wanted, held, shot = -1, None, None
    for run in runs:
        if shot is not None and int(run[0].shot[0]) != shot:
            known, wanted = [], -1
        shot = int(run[0].shot[0])
        people = [seen for seen in run if bool((seen.score > 0).any())]
        links = match_people(known, people, how)
        if wanted < 0 and people:
            later = held is not None and isinstance(who, int) and who > len(people)
            wanted = choose_person(people, "largest" if later else who)
            links = {i: i for i in range(len(people))}
        elif wanted >= 0 and wanted not in links:
            links |= match_returned_person(known, wanted, people, links, how)
        known = update_known_people(known, people, links, how)
        if wanted in links:
            held = people[links[wanted]]
            yield held
        else:
            yield absent_sighting(run[0], held)


def choose_person(people: list[Sighting], who: str | int) -> int:
    """The index of the requested person."""
    across = sorted(range(len(people)), key=lambda i: float(hip_centres(people[i])[0, 0]))
    named = {"left": across[0], "right": across[-1], "largest": max(across, key=lambda i: person_area(people[i]))}
    if isinstance(who, str):
        if who not in named:
            raise ValueError(f"no person {who!r}; choose largest, left, right, or a number counted from the left")
        return named[who]
    if not 1 <= who <= len(across):
        raise ValueError(
            f"no person {who}: the number of people is {len(across)} where they first appear, counted from the left"
        )
    return across[who - 1]


def hip_centres(seen: Sighting) -> Float[Tensor, "T 2"]:
    """The middle of the hips, in image points."""
    return seen.points[:, HIP_INDICES].mean(1)


def person_area(seen: Sighting) -> float:
    """The median area of the person's crop, in image points."""
    area = crop_sides(seen)[seen.score > 0].prod(1)
    return float(area.median())


def crop_sides(seen: Sighting) -> Float[Tensor, "T 2"]:
    """The sides of the crop in image points, along x and y."""
    return 2 * seen.crop[:, :, :2].square().sum(2).sqrt()


def match_people(known: list[KnownPerson], people: list[Sighting], how: Following) -> dict[int, int]:
    """Match known people to the people of a run, lowest cost first; maps the index of one to that of the other."""
    costs = [(match_cost(k, p, how), i, j) for i, k in enumerate(known) for j, p in enumerate(people)]
    links: dict[int, int] = {}
    for price, i, j in sorted(costs):
        if price < math.inf and i not in links and j not in links.values():
            links[i] = j
    return links


def match_cost(known: KnownPerson, seen: Sighting, how: Following) -> float:
    """The cost of matching a known person to a sighting; infinite if they can't be the same person."""
    first = int((seen.score > 0).nonzero()[0])
    pause = float(seen.seconds[first]) - known.until
    growth = log_size_change(known, seen)
    expected = known.points + known.pace * min(pause, 2 * how.pace)
    off = (seen.points[first] - expected) / known.side
    away = min(float(off[pair].mean(0).norm()) for pair in (HIP_INDICES, SHOULDER_INDICES))  # hips may be out of sight
    if pause > how.coast or away > how.reach + how.speed * pause or growth > math.log(how.grown):
        return math.inf
    near = torch.exp(-off.square().sum(1) / (2 * 0.08**2))
    similarity = float((near * known.visible).sum() / (known.visible.sum() + 1e-6))
    return away + growth + 0.5 * (1 - similarity)


def log_size_change(known: KnownPerson, seen: Sighting) -> float:
    """The absolute logarithm of a person's change in size."""
    first = int((seen.score > 0).nonzero()[0])
    return abs(float((crop_sides(seen)[first].prod() / known.side.prod()).log())) / 2


def match_returned_person(
    known: list[KnownPerson], wanted: int, people: list[Sighting], links: Mapping[int, int], how: Following
) -> dict[int, int]:
    """A match for the wanted person after a long absence: somebody who appeared since, of about the same size."""
    lost = known[wanted]
    if not people or float(people[0].seconds[0]) - lost.until <= how.coast:
        return {}
    old = {j for i, j in links.items() if known[i].since <= lost.until}
    new = [j for j in range(len(people)) if j not in old and log_size_change(lost, people[j]) < math.log(how.grown)]
    return {wanted: min(new, key=lambda j: log_size_change(lost, people[j]))} if new else {}


def update_known_people(
    known: list[KnownPerson], people: list[Sighting], links: Mapping[int, int], how: Following
) -> list[KnownPerson]:
    """The known people after a run: matched ones updated, new ones added."""
    new = [j for j in range(len(people)) if j not in links.values()]
    last = dict(enumerate(known)) | {i: summarize_sighting(people[j], how) for i, j in links.items()}
    last = {i: replace(k, since=known[i].since) if i < len(known) else k for i, k in last.items()}
    return [last[i] for i in sorted(last)] + [summarize_sighting(people[j], how) for j in new]


def summarize_sighting(seen: Sighting, how: Following) -> KnownPerson:
    """The position, size and velocity of a person at the end of a run."""
    rows = (seen.score > 0).nonzero()[:, 0]
    last = int(rows[-1])
    recent = rows[seen.seconds[rows] >= seen.seconds[last] - how.pace]
    pause = float(seen.seconds[last] - seen.seconds[recent[0]])
    at = hip_centres(seen)
    pace = (at[last] - at[recent[0]]) / pause if pause > 0 else at.new_zeros(2)
    clock = seen.seconds
    return KnownPerson(
        seen.points[last], seen.visible[last], crop_sides(seen)[last], pace, float(clock[rows[0]]), float(clock[last])
    )


def absent_sighting(run: Sighting, held: Sighting | None) -> Sighting:
    """A sighting with score 0 for a run without the person, at their last position."""
    if held is None:
        return run
    last = (held.score > 0).nonzero()[-1].expand(len(run))
    return replace(held[last], score=torch.zeros_like(run.score), seconds=run.seconds, shot=run.shot)
