"""How much work to put into seeing a motion, by name."""

from dataclasses import dataclass, field
from math import inf

from motion_imitate.estimators.fit import Windows
from motion_imitate.estimators.fitter import Fitting
from motion_imitate.estimators.landmarks import Landmarking


@dataclass(frozen=True)
class Quality:
    look: Landmarking
    fit: Fitting
    windows: Windows = field(default_factory=Windows)


QUALITIES: dict[str, Quality] = {
    "fast": Quality(Landmarking(model="full", slow=inf), Fitting(standing_steps=2, outline_steps=2, every=10)),
    "default": Quality(Landmarking(), Fitting()),
    "best": Quality(Landmarking(mirror=True, rate=30.0), Fitting(every=2), Windows(rate=30.0)),
}
LIVE = Fitting(limits=(10.0, 5.0), standing_steps=0, outline_steps=0, smooth=0.03)  # for `fit_live`, then `smooth_live`
