"""Presets of motion estimation, from fast to best."""

from dataclasses import dataclass, field

from motion_imitate.estimators.fit import FitWindows
from motion_imitate.estimators.fitter import Fitting
from motion_imitate.estimators.landmarks import Landmarking
from motion_imitate.estimators.track import Tracking


@dataclass(frozen=True)
class EstimationQuality:
    """The landmark, fit and window settings of one preset."""

    look: Landmarking
    fit: Fitting
    windows: FitWindows = field(default_factory=FitWindows)


QUALITIES: dict[str, EstimationQuality] = {
    "fast": EstimationQuality(Landmarking(calm_rate=6.0), Fitting(every=10)),
    "default": EstimationQuality(Landmarking(calm_rate=15.0, tracking=Tracking(moved=0.02)), Fitting()),
    "best": EstimationQuality(Landmarking(mirror=True, rate=30.0), Fitting(every=2), FitWindows(rate=30.0)),
}
LIVE_FITTING = Fitting(limits=(20.0, 10.0), standing_steps=0, outline_steps=1, smooth=1.0)  # for `fit_live`
