"""Find the landmarks of one person in frames as a camera gives them."""

from collections.abc import Iterable, Iterator

from motion_imitate.estimators.landmarks import LandmarkEstimator, empty_sighting, sighting_from_track
from motion_imitate.estimators.roi import frame_to_rgb
from motion_imitate.estimators.track import PersonTrack, continues_track
from motion_imitate.types import Frames, Sighting


def look_live(frames: Iterable[Frames], estimator: LandmarkEstimator) -> Iterator[Sighting]:
    """A sighting of one person per frame: they are looked for where they went, and searched for only once lost."""
    trail: PersonTrack | None = None
    before = 0.0
    for run in frames:
        for k in range(len(run)):
            frame, now = run[k : k + 1], float(run.seconds[k])
            image = frame_to_rgb(frame.data[0])
            if trail is not None:
                seen = estimator.glance(image, trail.roi, ())
                if continues_track(seen, trail.last, now - before, estimator.how.tracking):
                    trail.record_look(0, seen)
                else:
                    trail = None
            if trail is None:
                trail = next(iter(estimator.track([image], [now], [0])), None)
            before = now
            size = (frame.data.shape[2], frame.data.shape[3])
            yield (
                empty_sighting(frame.seconds)
                if trail is None
                else sighting_from_track(trail, [0], [0], frame.seconds, size)
            )
