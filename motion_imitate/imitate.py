"""The method: a prepared person, a motion and a backdrop in, frames out.

1. `portray` turns photos into a `Person`: a matte, a fitted body, an inpainted background, an avatar.
2. `estimate_motion` yields the motion of the person in a clip. Stored motions and camera paths serve as well.
3. `adapt_motion` smooths that motion, turns it upright and retargets it to the body of the person; `frame_motion`
   keeps them in the picture.
4. `render_motion` poses the avatar and draws it over the backdrop; or lets a generator draw the posed body.

`imitate` is steps 3 and 4.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import chain, pairwise

from motion_imitate.background.backdrop import Backdrop, still_backdrop
from motion_imitate.background.window import Padding, window_backdrop
from motion_imitate.compositing.shadow import Floor
from motion_imitate.frame_renderer import FrameRenderer, RenderSettings
from motion_imitate.geometry.camera import body_to_camera, camera_to_image
from motion_imitate.geometry.raster import rasterize
from motion_imitate.motion.framing import Framing, frame_motion
from motion_imitate.motion.outline import find_person_outline
from motion_imitate.motion.retarget import Retarget, retarget
from motion_imitate.motion.smooth import Smoothing, smooth
from motion_imitate.motion.upright import UPRIGHT, photo_lean
from motion_imitate.motion.view_path import ViewPath, turn_view
from motion_imitate.motion.windows import iter_shots
from motion_imitate.person import Person
from motion_imitate.runner import INLINE, StreamRunner
from motion_imitate.types import Body, BodyModel, Camera, Frames, Motion, Source, cat_batched

SHOT_START_REACH = 0.5  # metres from the place in the photo at which the person may stand after a cut
DRIVER_SMOOTHING = Smoothing(reach=0.1)  # light smoothing: the result must not lag behind the driver


FindFloor = Callable[[Person, Motion], Floor | None]  # in camera space, from the first run of motion


def imitate(
    person: Person,
    motion: Iterable[Motion],
    backdrop: Backdrop | None = None,
    runner: StreamRunner = INLINE,
    how: Retarget = Retarget(),
    framing: Framing | None = Framing(),
    view: ViewPath = ViewPath(),
    scan: Motion | None = None,
) -> Generator[Frames]:
    """Yield frames of the person performing a motion, over the backdrop or the background of the first photo.

    Where the person would leave the picture, its window moves and widens; without `framing`, or where the driver's
    camera is copied, it stays the photo's. With a `view` the camera goes round the person. Frames come a few at a time,
    so motions of any length fit in memory. Pass them to `video.write`. With a `scan` of a clip the first frame comes
    sooner; see `scan_motion`.
    """
    source, model = person.source, person.model
    adapted = turn_view(adapt_motion(motion, source, model, how, scan), view)
    if framing is None or how.camera == "copy":
        return render_motion(person, adapted, backdrop, runner)
    rough = adapt_scan(scan, source, model, how, view)
    framed, floor = frame_motion(adapted, source, model, framing, rough), no_floor if backdrop else photo_floor
    return render_motion(person, framed, backdrop or framed_backdrop(person), runner, floor)


def adapt_motion(
    motion: Iterable[Motion],
    source: Source,
    model: BodyModel,
    how: Retarget = Retarget(),
    scan: Motion | None = None,
) -> Iterator[Motion]:
    """Smooth a driver's motion, turn it upright and retarget it to the person of the first photo, each shot for itself.

    With the smooth camera a later shot starts near where the one before ended. A `scan` of the first shot shows which
    way is up before the motion does.
    """
    turn_upright = UPRIGHT["off" if how.camera == "copy" else how.upright]
    body, camera = source.body[:1], source.camera[:1]
    for shot in iter_shots(motion):
        ahead = None if scan is None else smooth([scan], DRIVER_SMOOTHING)
        upright, turned = turn_upright(smooth(shot, DRIVER_SMOOTHING), model, ahead)
        lean = photo_lean(body, camera, model) if turned else None
        run = None
        for run in retarget(upright, body, camera, model, how, lean):
            yield run
        if run is not None and how.camera == "smooth" and how.scale == "keep":
            camera = move_camera_start(source.camera[:1], run.camera[-1:])
        scan = None


def adapt_scan(scan: Motion | None, source: Source, model: BodyModel, how: Retarget, view: ViewPath) -> Motion | None:
    """The scan of a driver's clip as the person of the first photo does it; None if they stop in between."""
    if scan is None or view.freeze is not None:
        return None
    return cat_batched(list(turn_view(adapt_motion([scan], source, model, how), view)))


def move_camera_start(photo: Camera, last: Camera) -> Camera:
    """The photo's camera, with the person moved level towards where they stood last, by SHOT_START_REACH at most."""
    away = (last.place - photo.place).to(photo.place) * photo.place.new_tensor([1.0, 0, 1])
    far = away.norm(dim=1, keepdim=True) / SHOT_START_REACH
    return replace(photo, place=photo.place + away / far.clamp(min=1))


def framed_backdrop(person: Person, begun: Sequence[Padding] = ()) -> Backdrop:
    """The background of the first photo behind a framed motion; see `window_backdrop`.

    Of a person whom the photo cuts off, only the size in the picture changes: the background stays.
    """
    source = person.source
    cut = find_person_outline(source, person.model).is_cut
    return still_backdrop(source.background[0]) if cut else window_backdrop(source, begun)


def render_motion(
    person: Person,
    motion: Iterable[Motion],
    backdrop: Backdrop | None = None,
    runner: StreamRunner = INLINE,
    find_floor: FindFloor | None = None,
    how: RenderSettings = RenderSettings(),
) -> Generator[Frames]:
    """Yield frames of the person performing a motion of their own body, with a shadow on the floor if it is known.

    The defaults are the background of the first photo and the floor on which the person stands in it.
    """
    runs = iter(motion)
    first = next(runs, None)
    if first is None:
        return
    find_floor = find_floor or (photo_floor if backdrop is None else no_floor)
    backdrop = backdrop or still_backdrop(person.source.background[0])
    make = partial(FrameRenderer, person, rasterize, find_floor(person, first), how)
    pairs = runner.prefetch(pair_with_backdrop(chain([first], runs), backdrop, how.run))
    workers = how.workers if how.device == "cpu" else 1
    with closing(pairs), closing(runner.stage(make, pairs, workers)) as frames:
        yield from frames


def photo_floor(person: Person, _: Motion) -> Floor | None:
    """The floor on which the person stands in the photo."""
    return visible_floor(person.model, person.source.body[:1], person.source.camera[:1])


def driver_floor(person: Person, first: Motion) -> Floor | None:
    """The floor on which the person stands in the first frame."""
    return visible_floor(person.model, first.body[:1], first.camera[:1])


def no_floor(_: Person, __: Motion) -> None:
    """No floor is known, so there is no shadow."""
    return


def visible_floor(model: BodyModel, body: Body, camera: Camera) -> Floor | None:
    """The level floor under the body; None if the lowest point is outside the image."""
    vertices = body_to_camera(model(body)[0], camera)
    lowest = vertices[0, :, 1].argmax()  # y points down
    spot = camera_to_image(vertices, camera)[0, lowest, :2]
    return Floor.level(float(vertices[0, lowest, 1])) if bool((spot.abs() < 1).all()) else None


def pair_with_backdrop(runs: Iterable[Motion], backdrop: Backdrop, length: int) -> Iterator[tuple[Frames, Motion]]:
    """Cut the motion into runs of at most `length` frames, each with its backdrop frames.

    The first frame comes alone, so that it is rendered sooner.
    """
    start = 1
    for run in runs:
        for first, last in pairwise([0, *range(start, len(run), length), len(run)]):
            some = run[first:last]
            yield Frames(backdrop.send(some), some.seconds), some
        start = length
