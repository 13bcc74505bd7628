"""What will suffer, and what helps, as far as it can be told from what was seen in a photo or a clip."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from motion_imitate.estimators.follow import follow
from motion_imitate.estimators.matte import in_picture
from motion_imitate.types import Sighting, cat
from motion_imitate.video import Info

SHOULDERS, HIPS = (11, 12), (23, 24)  # of each pair of points, left comes first
HEAD = (0, 7, 8)
KNEES = ((25,), (26,))
FEET = ((27, 31), (28, 32))  # ankle and toes
HANDS = ((15,), (16,))
ABOVE_NOSE = 1.1  # a person's height over that of their points


@dataclass(frozen=True)
class Doubts:
    visible: float = 0.3  # of a point, below which it is taken for hidden
    edge: float = 1.02  # image point beyond which something is outside the picture
    tall: float = 250.0  # pixels from head to foot that are enough
    others: float = 0.3  # least size of somebody who may be meant, in sizes of the one who is taken
    apart: float = 0.1  # least distance between two people's hips, in sides of the square round the larger
    often: float = 0.25  # share of a clip's runs in which several people are more than a mistake
    sideways: float = 55.0  # degrees that the chest is turned away from the camera
    behind: float = 120.0
    unseen: float = 0.15  # share of a clip out of sight
    missing: float = 0.3  # share of what is seen of a clip in which a limb is not
    card: float = 0.75  # seconds without anybody at the beginning or the end
    leap: float = 0.3  # distance between two pictures, in sides of the square round the person, that is a cut
    speed: float = 3.0  # and how much more for each second between them
    growth: float = 1.6  # by how much they look larger or smaller after a cut
    stir: float = 0.06  # sides that their points move on the average, between two pictures
    sudden: float = 4.0  # and how many times what they do round about
    pause: float = 2.5  # seconds out of sight that a cut may take to get over
    early: float = 4.0  # seconds of a clip after which it is told how well the person is seen
    detail: float = 0.018  # of the contrast, that the finest detail of a sharp photo has
    long: int = 20_000  # frames of a clip that are remembered; nothing is told of what comes later


def of_photo(
    people: Sequence[Sighting], size: tuple[int, int], doubts: Doubts = Doubts(), small: bool = True
) -> list[str]:
    """About a photo of (height, width), whose first person is taken; each as last seen. `small` is whether that is all
    there is of it, and it was not made smaller."""
    seen = [one[-1:] for one in people if bool(one.score[-1] > 0)]
    if not seen:
        return ["nobody is seen in the photo; give one of a person, most of the body in the picture"]
    person = seen[0]
    said = []
    if (people_near := company(seen, doubts)) > 1:
        said.append(
            f"{people_near} people are in the photo, and one of them is taken; "
            "say who with --photo-person N|left|right|largest, N counted from the left"
        )
    if small and (tall := int(heights(person, size))) < doubts.tall:
        said.append(
            f"the person in the photo is {tall} pixels tall: the result will be blurred; "
            f"give a photo in which they are {doubts.tall:.0f} or more"
        )
    return said + facing(person, doubts) + cropped(person, doubts)


def of_detail(image: Float[Tensor, "3 H W"], person: Sighting, doubts: Doubts = Doubts()) -> list[str]:
    """About the sharpness of a photo, where its person is: what is lost if every other pixel goes."""
    grey = image.mean(0).numpy()
    inside = in_picture(person, (grey.shape[0], grey.shape[1])) > 0.7
    half = cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    lost = np.abs(grey - cv2.resize(half, grey.shape[::-1], interpolation=cv2.INTER_CUBIC))
    if not inside.any() or lost[inside].std() > doubts.detail * grey[inside].std():
        return []
    return ["the person in the photo is blurred, and so will be the result; give a sharper photo, or a smaller --size"]


def company(people: Sequence[Sighting], doubts: Doubts = Doubts()) -> int:
    """How many people there are in a run: those about as large as the first, seen for half of it, each once."""
    counted: list[Sighting] = []
    for one in people:
        lasting = bool((one.score > 0).float().mean() >= 0.5)
        large = lasting and all(size_of(one) >= doubts.others * size_of(other) for other in counted[:1])
        if large and all(apart(one, other) > doubts.apart for other in counted):
            counted.append(one)
    return len(counted)


def apart(one: Sighting, other: Sighting) -> float:
    """How far from each other's hips, in sides of the larger square."""
    way = (one.points - other.points)[:, list(HIPS)].mean(1) / torch.maximum(square(one), square(other))
    return float(way.norm(dim=1).median())


def facing(person: Sighting, doubts: Doubts) -> list[str]:
    turn = abs(turned(person))
    if turn > doubts.behind:
        return [
            "the person is seen from behind in the photo: face and front will be made up; add a photo from the front"
        ]
    if turn > doubts.sideways:
        return [
            "the person is seen from the side in the photo: their far side will be made up; add a photo from the front"
        ]
    return []


def turned(person: Sighting) -> float:
    """Degrees that the chest is turned away from the camera: 0 faces it, 180 shows the back."""
    across = sum(person.world[-1, left] - person.world[-1, right] for left, right in (SHOULDERS, HIPS))
    assert isinstance(across, Tensor)
    return math.degrees(math.atan2(float(across[2]), float(across[0])))


def cropped(person: Sighting, doubts: Doubts) -> list[str]:
    """What of the body is not in the photo, or hidden in it."""
    outside, hidden = outside_of(person, doubts)[-1], (person.visible < doubts.visible)[-1]

    def lacking(points: Iterable[int], which: Bool[Tensor, " K"]) -> bool:
        return any(bool(which[point]) for point in points)

    said = []
    if all(bool((outside | hidden)[point]) for point in HEAD):
        said.append("the head is not in the photo: it will be made up; give a photo that shows the face")
    legs = [lacking(knee, outside) for knee in KNEES], [lacking(foot, outside) for foot in FEET]
    if any(legs[0]):
        said.append("knees and feet are not in the photo: the legs will be made up; add a photo of the whole body")
    elif any(legs[1]):
        said.append("feet are not in the photo: legs below the knee will be made up; add a photo of the whole body")
    hands = [lacking(hand, outside) for hand in HANDS]
    if any(hands):
        said.append(f"{sides(hands, 'hand')} not in the photo: arms will be made up there; add a photo that shows them")
    covered = {
        "foot": [lacking(foot, hidden) and not any(map(any, legs)) for foot in FEET],
        "hand": [lacking(hand, hidden) and not out for hand, out in zip(HANDS, hands, strict=True)],
    }
    for name, which in covered.items():
        if any(which):
            said.append(
                f"{sides(which, name)} hidden in the photo, it seems, and may be drawn wrong; add a photo that shows it"
            )
    return said


def sides(which: Sequence[bool], name: str) -> str:
    if all(which):
        return "feet are" if name == "foot" else f"{name}s are"
    return f"the {'left' if which[0] else 'right'} {name} is"


def advised(
    runs: Iterable[list[Sighting]], who: str | int, info: Info, say: Callable[[str], None], doubts: Doubts = Doubts()
) -> Iterator[Sighting]:
    """`follow`, with advice about the clip: on the person as soon as a few seconds are seen, on the rest at the end."""
    companies: list[int] = []
    seen: list[Sighting] = []
    early = True

    def counted() -> Iterator[list[Sighting]]:
        for run in runs:
            companies.append(company(run, doubts))
            yield run

    def tell(lines: list[str]) -> None:
        for line in lines:
            say(f"{info.path.name}: {line}")

    for run in follow(counted(), who):
        if sum(map(len, seen)) < doubts.long:
            flat = run.world.new_zeros(()).expand_as(run.world)  # takes no room
            seen.append(replace(run, world=flat, mask=run.mask.new_empty(len(run), 0, 0)))  # a view would hold it all
        if early and float(run.seconds[-1]) >= doubts.early:
            early = False
            tell(of_person(cat(seen), info, companies, doubts))
        yield run
    if seen:
        tell(of_person(cat(seen), info, companies, doubts) if early else [])
        tell(of_course(cat(seen), doubts))


def of_clip(
    runs: Sequence[Sighting], info: Info, companies: Sequence[int] = (), doubts: Doubts = Doubts()
) -> list[str]:
    """About the one who is followed through the runs of a clip, and how many people there were in each."""
    if not runs or not any(bool((run.score > 0).any()) for run in runs):
        return ["nobody is seen in the clip; give one with a person, most of the body in the picture"]
    return of_person(cat(runs), info, companies, doubts) + of_course(cat(runs), doubts)


def of_person(seen: Sighting, info: Info, companies: Sequence[int], doubts: Doubts) -> list[str]:
    """How well they can be seen, and whether others are there."""
    there = seen[seen.score > 0]
    if len(there) == 0:
        return []
    said = []
    people = sorted(companies)[-1 - int(doubts.often * len(companies))] if companies else 1
    if people > 1:
        said.append(
            f"{people} people are in the clip, and one of them is followed; "
            "say who with --person N|left|right|largest, N counted from the left where anybody is first seen"
        )
    tall = float(heights(there, (info.height, info.width)).median())
    if tall < doubts.tall:
        said.append(
            f"the person in the clip is {tall:.0f} pixels tall: the motion will be coarse; "
            f"give a clip in which they are {doubts.tall:.0f} or more, or --quality best"
        )
    return said + unseen_limbs(there, doubts)


def of_course(seen: Sighting, doubts: Doubts) -> list[str]:
    """Whether the person is there throughout, in one shot."""
    rows = (seen.score > 0).nonzero()[:, 0]
    if len(rows) == 0:
        return []
    said = absences(seen, rows, doubts)
    if times := cuts(seen, rows, doubts):
        said.append(
            f"the clip seems to be cut at {', '.join(f'{t:.1f} s' for t in times[:3])}"
            f"{' and later' * (len(times) > 3)}: the motion jumps there; give a single shot"
        )
    return said


def absences(seen: Sighting, rows: Tensor, doubts: Doubts) -> list[str]:
    """When nobody is there: before, after and in between."""
    first, last = int(rows[0]), int(rows[-1])
    clock = seen.seconds.tolist()
    said = []
    if clock[first] - clock[0] >= doubts.card:
        said.append(f"nobody is seen until {clock[first]:.1f} s: the first pose is held till then; cut the clip there")
    between = last + 1 - first
    away = 1 - len(rows) / between
    if away > doubts.unseen:
        gaps = torch.cat([rows[1:] - rows[:-1], rows.new_zeros(1)])
        longest = int(gaps.argmax())
        since, until = clock[int(rows[longest])], clock[int(rows[longest + 1])]
        said.append(
            f"the person is hidden, away or too close in {100 * away:.0f} % of the clip, "
            f"longest from {since:.1f} to {until:.1f} s: the motion is made up there; "
            "give a clip that shows most of them throughout"
        )
    if clock[-1] - clock[last] >= doubts.card:
        said.append(
            f"nobody is seen from {clock[last]:.1f} s to the end, as behind an end card: the last pose is held; "
            "cut the clip there"
        )
    return said


def cuts(seen: Sighting, rows: Tensor, doubts: Doubts) -> list[float]:
    """Seconds at which the person is suddenly somewhere else, of another size, or in another pose."""
    points, side, clock = seen.points[rows], square(seen)[rows], seen.seconds[rows]
    at = points[:, list(HIPS)].mean(1)
    pause = clock[1:] - clock[:-1]
    gone = rows[1:] - rows[:-1] > 1
    unit = torch.maximum(side[1:], side[:-1])
    far = ((at[1:] - at[:-1]) / unit).norm(dim=1)
    stir = ((points[1:] - points[:-1]) / unit[:, None]).norm(dim=2).mean(1)
    size = side.prod(1).sqrt()
    growth = (size[1:] / size[:-1]).log().abs()
    leaps = (far > doubts.leap + doubts.speed * pause) | (growth > math.log(doubts.growth) + pause)
    leaps |= (stir > doubts.stir) & (stir > doubts.sudden * usual(stir))
    midst = (at.abs() < 0.9).all(1)  # who is near the edge may have walked out and in
    returns = midst[1:] & midst[:-1] & ((far > 1.5 * doubts.leap) | (growth > math.log(doubts.growth)))
    found = torch.where(gone, returns & (pause < doubts.pause), leaps)
    return clock[1:][found].tolist()


def usual(values: Float[Tensor, " N"], reach: int = 5) -> Float[Tensor, " N"]:
    """The median of those round each."""
    padded = torch.cat([values[:1].expand(reach), values, values[-1:].expand(reach)]) if len(values) else values
    return padded.unfold(0, 2 * reach + 1, 1).median(1).values if len(values) else values


def unseen_limbs(seen: Sighting, doubts: Doubts) -> list[str]:
    outside = outside_of(seen, doubts)
    limbs = {"knees and feet": (KNEES, "legs"), "feet": (FEET, "legs"), "hands": (HANDS, "arms")}
    said: list[str] = []
    for name, (points, whole) in limbs.items():
        share = float(outside[:, [p for side in points for p in side]].any(1).float().mean())
        if share > doubts.missing and not any(whole in one for one in said):
            said.append(
                f"{name} are outside the picture in {100 * share:.0f} % of what is seen of the person in the clip: "
                f"how the {whole} move there is a guess; give a clip of the whole body"
            )
    return said


def outside_of(seen: Sighting, doubts: Doubts) -> Bool[Tensor, "T K"]:
    return (seen.points.abs() > doubts.edge).any(2)


def square(seen: Sighting) -> Float[Tensor, "T 2"]:
    """The side of the square the person is seen in, in image points along x and y."""
    return 2 * seen.crop[:, :, :2].square().sum(2).sqrt()


def size_of(seen: Sighting) -> float:
    return float(square(seen)[-1].prod().sqrt())


def heights(seen: Sighting, size: tuple[int, int]) -> Float[Tensor, " T"]:
    """Pixels from head to foot, or from hand to foot: also of what is outside the picture."""
    pixels = seen.points * torch.tensor([size[1] / 2, size[0] / 2])
    return ABOVE_NOSE * (pixels.amax(1) - pixels.amin(1)).amax(1)
