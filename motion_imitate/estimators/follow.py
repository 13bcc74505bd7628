"""One person through the runs of a video, of all who are seen in each."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.types import Sighting

HIPS = [23, 24]


@dataclass(frozen=True)
class Following:
    coast: float = 1.0  # seconds after which somebody who is not seen is no longer expected where they went
    reach: float = 0.3  # how far from there they may appear, in sides of the square they were seen in
    speed: float = 0.7  # and how much farther for each second
    grown: float = 1.7  # by how much they may look larger or smaller
    pace: float = 0.15  # seconds over which their speed is measured


@dataclass(frozen=True)
class Known:
    """Somebody as last seen. Lengths are image points."""

    points: Float[Tensor, "K 2"]
    visible: Float[Tensor, " K"]
    side: Float[Tensor, " 2"]  # of the square, along x and y
    pace: Float[Tensor, " 2"]  # a second
    since: float  # seconds
    until: float


def follow(
    runs: Iterable[list[Sighting]], who: str | int = "largest", how: Following = Following()
) -> Iterator[Sighting]:
    """The one who is largest, left, right or number `who` from the left where anybody is first seen; one for each run.

    A run without them has score 0 and holds their points. When they have been away for longer than `coast`, whoever
    came since and is about as large is taken for them: people come back, and films are cut.
    """
    known: list[Known] = []
    wanted, held = -1, None
    for run in runs:
        people = [seen for seen in run if bool((seen.score > 0).any())]
        links = link(known, people, how)
        if wanted < 0 and people:
            wanted = choose(people, who)
            links = {i: i for i in range(len(people))}
        elif wanted >= 0 and wanted not in links:
            links |= come_back(known, wanted, people, links, how)
        known = updated(known, people, links, how)
        if wanted in links:
            held = people[links[wanted]]
            yield held
        else:
            yield absent(run[0], held)


def choose(people: list[Sighting], who: str | int) -> int:
    """The number of the one who is asked for among people."""
    across = sorted(range(len(people)), key=lambda i: float(hips(people[i])[0, 0]))
    named = {"left": across[0], "right": across[-1], "largest": max(across, key=lambda i: size(people[i]))}
    if isinstance(who, str):
        if who not in named:
            raise ValueError(f"no person {who!r}; choose largest, left, right, or a number counted from the left")
        return named[who]
    if not 1 <= who <= len(across):
        raise ValueError(f"no person {who}: where anybody is first seen there are {len(across)}; count from the left")
    return across[who - 1]


def hips(seen: Sighting) -> Float[Tensor, "T 2"]:
    return seen.points[:, HIPS].mean(1)


def size(seen: Sighting) -> float:
    """In parts of the frame's area."""
    area = sides(seen)[seen.score > 0].prod(1)
    return float(area.median())


def sides(seen: Sighting) -> Float[Tensor, "T 2"]:
    """The square's side in image points, along x and y."""
    return 2 * seen.crop[:, :, :2].square().sum(2).sqrt()


def link(known: list[Known], people: list[Sighting], how: Following) -> dict[int, int]:
    """Who of the known is who of the people, the likeliest first."""
    costs = [(cost(k, p, how), i, j) for i, k in enumerate(known) for j, p in enumerate(people)]
    links: dict[int, int] = {}
    for price, i, j in sorted(costs):
        if price < math.inf and i not in links and j not in links.values():
            links[i] = j
    return links


def cost(known: Known, seen: Sighting, how: Following) -> float:
    """How unlikely it is that this is the known one; infinite if it can't be."""
    first = int((seen.score > 0).nonzero()[0])
    pause = float(seen.seconds[first]) - known.until
    growth = grown(known, seen)
    expected = known.points + known.pace * min(pause, 2 * how.pace)
    off = (seen.points[first] - expected) / known.side
    away = float(off[HIPS].mean(0).norm())
    if pause > how.coast or away > how.reach + how.speed * pause or growth > math.log(how.grown):
        return math.inf
    near = torch.exp(-off.square().sum(1) / (2 * 0.08**2))
    similarity = float((near * known.visible).sum() / (known.visible.sum() + 1e-6))
    return away + growth + 0.5 * (1 - similarity)


def grown(known: Known, seen: Sighting) -> float:
    """The logarithm of how much larger or smaller somebody is than they were."""
    first = int((seen.score > 0).nonzero()[0])
    return abs(float((sides(seen)[first].prod() / known.side.prod()).log())) / 2


def come_back(
    known: list[Known], wanted: int, people: list[Sighting], links: Mapping[int, int], how: Following
) -> dict[int, int]:
    """The person who is taken for the wanted one after a long absence, unlinked from who it was till now."""
    lost = known[wanted]
    if not people or float(people[0].seconds[0]) - lost.until <= how.coast:
        return {}
    old = {j for i, j in links.items() if known[i].since <= lost.until}
    new = [j for j in range(len(people)) if j not in old and grown(lost, people[j]) < math.log(how.grown)]
    return {wanted: min(new, key=lambda j: grown(lost, people[j]))} if new else {}


def updated(known: list[Known], people: list[Sighting], links: Mapping[int, int], how: Following) -> list[Known]:
    """What is known after a run: everybody's last place, and those who are new."""
    new = [j for j in range(len(people)) if j not in links.values()]
    last = dict(enumerate(known)) | {i: last_seen(people[j], how) for i, j in links.items()}
    last = {i: replace(k, since=known[i].since) if i < len(known) else k for i, k in last.items()}
    return [last[i] for i in sorted(last)] + [last_seen(people[j], how) for j in new]


def last_seen(seen: Sighting, how: Following) -> Known:
    rows = (seen.score > 0).nonzero()[:, 0]
    last = int(rows[-1])
    recent = rows[seen.seconds[rows] >= seen.seconds[last] - how.pace]
    pause = float(seen.seconds[last] - seen.seconds[recent[0]])
    at = hips(seen)
    pace = (at[last] - at[recent[0]]) / pause if pause > 0 else at.new_zeros(2)
    clock = seen.seconds
    return Known(
        seen.points[last], seen.visible[last], sides(seen)[last], pace, float(clock[rows[0]]), float(clock[last])
    )


def absent(run: Sighting, held: Sighting | None) -> Sighting:
    """A run in which the person is not: where they were last."""
    if held is None:
        return run
    last = (held.score > 0).nonzero()[-1].expand(len(run))
    return replace(held[last], score=torch.zeros_like(run.score), seconds=run.seconds)
