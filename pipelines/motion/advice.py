"""Warn about problems seen in a photo or clip, and say what helps."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from motion_imitate.estimators.follow import follow_person
from motion_imitate.estimators.matte import warp_mask_to_image
from motion_imitate.types import Sighting, cat_batched
from motion_imitate.video import VideoInfo

SHOULDER_POINTS, HIP_POINTS = (11, 12), (23, 24)  # BlazePose points; of each pair, left comes first
HEAD_POINTS = (0, 7, 8)
KNEE_POINTS = ((25,), (26,))
FOOT_POINTS = ((27, 31), (28, 32))  # ankle and toes
HAND_POINTS = ((15,), (16,))
HEIGHT_PER_SPAN = 1.1  # a person's height relative to the span of their points


@dataclass(frozen=True)
class AdviceThresholds:
    """When a problem is worth a warning."""

    visible: float = 0.3  # visibility below which a point counts as hidden
    edge: float = 1.02  # image point beyond which something is outside the image
    tall: float = 250.0  # pixels from head to foot; fewer are warned about
    others: float = 0.3  # minimum size of another person who counts, relative to the chosen one
    apart: float = 0.1  # minimum distance between two people's hips, in sides of the larger square
    often: float = 0.25  # share of a clip's runs with several people, above which it is no false detection
    sideways: float = 55.0  # degrees of chest turn from which the person is seen from the side
    behind: float = 120.0  # and from which they are seen from behind
    unseen: float = 0.15  # share of a clip in which the person is out of sight
    missing: float = 0.3  # share of the frames with the person in which a limb is outside
    card: float = 0.75  # seconds without anybody at the start or end, such as a title card
    leap: float = 0.3  # distance between two frames, in sides of the person's square, that is a cut
    speed: float = 3.0  # and how much more per second between them
    growth: float = 1.6  # relative change of size that is a cut
    stir: float = 0.06  # mean distance that the points move between two frames, in sides
    sudden: float = 4.0  # and how many times their median motion around that time
    pause: float = 2.5  # maximum seconds out of sight that may hide a cut
    early: float = 4.0  # seconds of a clip after which visibility is reported
    detail: float = 0.018  # finest detail of a sharp photo, relative to its contrast
    long: int = 20_000  # frames of a clip that are remembered; later ones are not checked


def photo_advice(
    people: Sequence[Sighting], size: tuple[int, int], doubts: AdviceThresholds = AdviceThresholds(), small: bool = True
) -> list[str]:
    """Warnings about a photo of (height, width); `people` are all in it, the one to use first, each as last seen.

    `small` is whether the photo was given at this size, rather than scaled down.
    """
    seen = [one[-1:] for one in people if bool(one.score[-1] > 0)]
    if not seen:
        return ["nobody is seen in the photo; give one that shows most of a person's body"]
    person = seen[0]
    said = []
    if (people_near := count_people(seen, doubts)) > 1:
        said.append(
            f"{people_near} people are in the photo, and one of them is used; "
            "choose one with --photo-person N|left|right|largest, N counted from the left"
        )
    if small and (tall := int(person_heights(person, size))) < doubts.tall:
        said.append(
            f"the person in the photo is only {tall} pixels tall: the result will be blurred; "
            f"give a photo in which they have {doubts.tall:.0f} or more"
        )
    return said + facing_advice(person, doubts) + cropping_advice(person, doubts)


def sharpness_advice(
    image: Float[Tensor, "3 H W"], person: Sighting, doubts: AdviceThresholds = AdviceThresholds()
) -> list[str]:
    """Warn if the photo is blurred where the person is: almost nothing is lost by halving its resolution."""
    grey = image.mean(0).numpy()
    inside = warp_mask_to_image(person, (grey.shape[0], grey.shape[1])) > 0.7
    half = cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    lost = np.abs(grey - cv2.resize(half, grey.shape[::-1], interpolation=cv2.INTER_CUBIC))
    if not inside.any() or lost[inside].std() > doubts.detail * grey[inside].std():
        return []
    return [
        "the person in the photo is blurred, and the result will be, too; give a sharper photo, or a smaller --size"
    ]


def count_people(people: Sequence[Sighting], doubts: AdviceThresholds = AdviceThresholds()) -> int:
    """How many people are in a run: seen for half of it, about as large as the first, duplicates merged."""
    counted: list[Sighting] = []
    for one in people:
        lasting = bool((one.score > 0).float().mean() >= 0.5)
        large = lasting and all(person_size(one) >= doubts.others * person_size(other) for other in counted[:1])
        if large and all(hip_distance(one, other) > doubts.apart for other in counted):
            counted.append(one)
    return len(counted)


def hip_distance(one: Sighting, other: Sighting) -> float:
    """Distance between two people's hips, in sides of the larger square."""
    way = (one.points - other.points)[:, list(HIP_POINTS)].mean(1) / torch.maximum(
        person_square(one), person_square(other)
    )
    return float(way.norm(dim=1).median())


def facing_advice(person: Sighting, doubts: AdviceThresholds) -> list[str]:
    """Warn if the person is seen from the side or from behind."""
    turn = abs(chest_turn(person))
    if turn > doubts.behind:
        return [
            "the person is seen from behind in the photo: face and front will be invented; add a photo from the front"
        ]
    if turn > doubts.sideways:
        return [
            "the person is seen from the side in the photo: the far side will be invented; add a photo from the front"
        ]
    return []


def chest_turn(person: Sighting) -> float:
    """Degrees that the chest is turned away from the camera: 0 is facing it, 180 shows the back."""
    across = sum(person.world[-1, left] - person.world[-1, right] for left, right in (SHOULDER_POINTS, HIP_POINTS))
    assert isinstance(across, Tensor)
    return math.degrees(math.atan2(float(across[2]), float(across[0])))


def cropping_advice(person: Sighting, doubts: AdviceThresholds) -> list[str]:
    """Warnings about parts of the body that are outside the photo or hidden."""
    outside, hidden = points_outside_image(person, doubts)[-1], (person.visible < doubts.visible)[-1]

    def lacking(points: Iterable[int], which: Bool[Tensor, " K"]) -> bool:
        return any(bool(which[point]) for point in points)

    said = []
    if all(bool((outside | hidden)[point]) for point in HEAD_POINTS):
        said.append("the head is not in the photo: it will be invented; give a photo that shows the face")
    legs = [lacking(knee, outside) for knee in KNEE_POINTS], [lacking(foot, outside) for foot in FOOT_POINTS]
    if any(legs[0]):
        said.append("knees and feet are not in the photo: the legs will end with it; add a photo of the whole body")
    elif any(legs[1]):
        said.append("feet are not in the photo: the lower legs will end with it; add a photo of the whole body")
    hands = [lacking(hand, outside) for hand in HAND_POINTS]
    if any(hands):
        said.append(
            f"{limb_phrase(hands, 'hand')} not in the photo: parts of the arms will be invented; "
            "add a photo that shows them"
        )
    covered = {
        "foot": [lacking(foot, hidden) and not any(map(any, legs)) for foot in FOOT_POINTS],
        "hand": [lacking(hand, hidden) and not out for hand, out in zip(HAND_POINTS, hands, strict=True)],
    }
    for name, which in covered.items():
        if any(which):
            said.append(
                f"{limb_phrase(which, name)} probably hidden in the photo and may be drawn wrong; "
                "add a photo that shows it"
            )
    return said


def limb_phrase(which: Sequence[bool], name: str) -> str:
    """Subject and verb for one limb or both, such as 'the left hand is'."""
    if all(which):
        return "feet are" if name == "foot" else f"{name}s are"
    return f"the {'left' if which[0] else 'right'} {name} is"


def follow_with_advice(
    runs: Iterable[list[Sighting]],
    who: str | int,
    info: VideoInfo,
    say: Callable[[str], None],
    doubts: AdviceThresholds = AdviceThresholds(),
) -> Iterator[Sighting]:
    """`follow`, with warnings: about the person after some seconds, about cuts and absences at the end."""
    companies: list[int] = []
    seen: list[Sighting] = []
    early = True

    def counted() -> Iterator[list[Sighting]]:
        for run in runs:
            companies.append(count_people(run, doubts))
            yield run

    def tell(lines: list[str]) -> None:
        for line in lines:
            say(f"{info.path.name}: {line}")

    for run in follow_person(counted(), who):
        if sum(map(len, seen)) < doubts.long:
            flat = run.world.new_zeros(()).expand_as(run.world)  # takes no memory
            seen.append(replace(run, world=flat, mask=run.mask.new_empty(len(run), 0, 0)))  # a view would keep it all
        if early and float(run.seconds[-1]) >= doubts.early:
            early = False
            tell(visibility_advice(cat_batched(seen), info, companies, doubts))
        yield run
    if seen:
        tell(visibility_advice(cat_batched(seen), info, companies, doubts) if early else [])
        tell(continuity_advice(cat_batched(seen), doubts))


def visibility_advice(seen: Sighting, info: VideoInfo, companies: Sequence[int], doubts: AdviceThresholds) -> list[str]:
    """Warnings about how well the person can be seen, and about other people."""
    there = seen[seen.score > 0]
    if len(there) == 0:
        return []
    said = []
    people = sorted(companies)[-1 - int(doubts.often * len(companies))] if companies else 1
    if people > 1:
        said.append(
            f"{people} people are in the clip, and one of them is followed; "
            "choose one with --person N|left|right|largest, N counted from the left in the first frame with people"
        )
    tall = float(person_heights(there, (info.height, info.width)).median())
    if tall < doubts.tall:
        said.append(
            f"the person in the clip is only {tall:.0f} pixels tall: the motion will be coarse; "
            f"give a clip in which they have {doubts.tall:.0f} or more, or --quality best"
        )
    return said + limb_advice(there, doubts)


def continuity_advice(seen: Sighting, doubts: AdviceThresholds) -> list[str]:
    """Warnings about absences of the person and cuts."""
    rows = (seen.score > 0).nonzero()[:, 0]
    if len(rows) == 0:
        return []
    said = absence_advice(seen, rows, doubts)
    if times := seen.seconds[1:][seen.shot.diff() > 0].tolist():
        said.append(
            f"the clip is cut at {list_times(times)}: the person is chosen anew in each shot, as --person says; "
            "give a single shot if that is somebody else"
        )
    if times := find_leaps(seen, rows, doubts):
        said.append(f"the person leaps at {list_times(times)}, as if the clip were cut there; give a single shot")
    return said


def list_times(times: Sequence[float]) -> str:
    """The first three times, such as '0.5 s, 3.0 s, 4.2 s and later'."""
    return f"{', '.join(f'{t:.1f} s' for t in times[:3])}{' and later' * (len(times) > 3)}"


def absence_advice(seen: Sighting, rows: Tensor, doubts: AdviceThresholds) -> list[str]:
    """Warnings about stretches without the person: at the start, in between, at the end."""
    first, last = int(rows[0]), int(rows[-1])
    clock = seen.seconds.tolist()
    said = []
    if clock[first] - clock[0] >= doubts.card:
        said.append(f"nobody is seen until {clock[first]:.1f} s: the first pose is held until then; cut the clip there")
    between = last + 1 - first
    away = 1 - len(rows) / between
    if away > doubts.unseen:
        gaps = torch.cat([rows[1:] - rows[:-1], rows.new_zeros(1)])
        longest = int(gaps.argmax())
        since, until = clock[int(rows[longest])], clock[int(rows[longest + 1])]
        said.append(
            f"the person is out of sight or too close in {100 * away:.0f} % of the clip, "
            f"longest from {since:.1f} to {until:.1f} s: the motion there is a guess; "
            "give a clip that shows most of the body throughout"
        )
    if clock[-1] - clock[last] >= doubts.card:
        said.append(
            f"nobody is seen from {clock[last]:.1f} s to the end, as with an end card: the last pose is held; "
            "cut the clip there"
        )
    return said


def find_leaps(seen: Sighting, rows: Tensor, doubts: AdviceThresholds) -> list[float]:
    """Seconds at which the person suddenly changes place, size or pose within a shot."""
    points, side, clock = seen.points[rows], person_square(seen)[rows], seen.seconds[rows]
    at = points[:, list(HIP_POINTS)].mean(1)
    pause = clock[1:] - clock[:-1]
    gone = rows[1:] - rows[:-1] > 1
    unit = torch.maximum(side[1:], side[:-1])
    far = ((at[1:] - at[:-1]) / unit).norm(dim=1)
    stir = ((points[1:] - points[:-1]) / unit[:, None]).norm(dim=2).mean(1)
    size = side.prod(1).sqrt()
    growth = (size[1:] / size[:-1]).log().abs()
    leaps = (far > doubts.leap + doubts.speed * pause) | (growth > math.log(doubts.growth) + pause)
    leaps |= (stir > doubts.stir) & (stir > doubts.sudden * running_median(stir))
    midst = (at.abs() < 0.9).all(1)  # near the edge they may have walked out and in again
    returns = midst[1:] & midst[:-1] & ((far > 1.5 * doubts.leap) | (growth > math.log(doubts.growth)))
    found = torch.where(gone, returns & (pause < doubts.pause), leaps) & (seen.shot[rows].diff() == 0)
    return clock[1:][found].tolist()


def running_median(values: Float[Tensor, " N"], reach: int = 5) -> Float[Tensor, " N"]:
    """The running median over `reach` values on each side."""
    padded = torch.cat([values[:1].expand(reach), values, values[-1:].expand(reach)]) if len(values) else values
    return padded.unfold(0, 2 * reach + 1, 1).median(1).values if len(values) else values


def limb_advice(seen: Sighting, doubts: AdviceThresholds) -> list[str]:
    """Warnings about limbs that are outside the image for much of the clip."""
    outside = points_outside_image(seen, doubts)
    limbs = {"knees and feet": (KNEE_POINTS, "legs"), "feet": (FOOT_POINTS, "legs"), "hands": (HAND_POINTS, "arms")}
    said: list[str] = []
    for name, (points, whole) in limbs.items():
        share = float(outside[:, [p for side in points for p in side]].any(1).float().mean())
        if share > doubts.missing and not any(whole in one for one in said):
            said.append(
                f"{name} are outside the image in {100 * share:.0f} % of the frames that show the person: "
                f"the motion of the {whole} there is a guess; give a clip of the whole body"
            )
    return said


def points_outside_image(seen: Sighting, doubts: AdviceThresholds) -> Bool[Tensor, "T K"]:
    """Which points lie outside the image."""
    return (seen.points.abs() > doubts.edge).any(2)


def person_square(seen: Sighting) -> Float[Tensor, "T 2"]:
    """Sides of the square around the person, in image points along x and y."""
    return 2 * seen.crop[:, :, :2].square().sum(2).sqrt()


def person_size(seen: Sighting) -> float:
    """The person's size when last seen, in image points."""
    return float(person_square(seen)[-1].prod().sqrt())


def person_heights(seen: Sighting, size: tuple[int, int]) -> Float[Tensor, " T"]:
    """The person's height in pixels, including what is outside the image."""
    pixels = seen.points * torch.tensor([size[1] / 2, size[0] / 2])
    return HEIGHT_PER_SPAN * (pixels.amax(1) - pixels.amin(1)).amax(1)
