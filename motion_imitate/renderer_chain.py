"""Choose what draws the person of a photo: their avatar; else Dense Pose Transfer; else DRN.

Whether the fitted body is the person's is read off the photo: how far its outline overlaps the matte.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import torch
from torch.nn.functional import interpolate

from motion_imitate.generators import AVATAR_RENDERER
from motion_imitate.generators.load import find_renderer_of_weights, shipped_weights
from motion_imitate.types import Source

LEAST_OVERLAP = 0.65  # of the fitted body and the person; 0.75 or more where avatars look right, 0.53 or less elsewhere
PAINTERS = ("dense-pose", "drn")  # after the avatar, in this order
LAST_RENDERER = PAINTERS[-1]  # needs nothing of the body but its keypoints
AVATAR_ERRORS = (ValueError, IndexError, ArithmeticError, cv2.error)  # of photos of which no avatar can be made


@dataclass(frozen=True)
class RendererChoice:
    """What draws the person, and for each photo why it is not their avatar; "" where it is."""

    renderer: str = AVATAR_RENDERER
    reasons: tuple[str, ...] = ()
    face: str = "off"  # what draws the face of a head that turns: drn, or nothing else

    @property
    def tools(self) -> str:
        """The renderer, and what draws the face if that is another."""
        return self.renderer if self.face == "off" else f"{self.renderer}, turned faces by {self.face}"

    @property
    def sentence(self) -> str:
        """The first photo's reason."""
        return next(iter(self.reasons), "")


BY_AVATAR = RendererChoice()


def body_overlap(photo: Source) -> float:
    """How far the fitted body and the person in a photo overlap: the part that both cover of what either covers."""
    body = (photo.view.raster.face >= 0).float()
    size = (body.shape[1], body.shape[2])
    person = interpolate(photo.matte, size, mode="bilinear", align_corners=False, antialias=True)[:, 0]
    return float(torch.minimum(body, person).sum() / torch.maximum(body, person).sum().clamp(min=1e-6))


def body_fault(photo: Source) -> str:
    """Why the fitted body cannot be the person's, or ""."""
    overlap = body_overlap(photo)
    if overlap >= LEAST_OVERLAP:
        return ""
    return f"the body that was fitted overlaps the person by {overlap:.0%} only, {LEAST_OVERLAP:.0%} are needed"


def choose_painter(first: int, weights: Path | None) -> tuple[str, Path, str]:
    """The first of the painters, from number `first` on, that has weights; its weights, and what was passed over."""
    given = weights and find_renderer_of_weights(weights)
    passed = list[str]()
    for name in PAINTERS[first:]:
        found = weights if given == name else shipped_weights(name)
        if found is not None:
            return name, found, "".join(f" and {other} has no weights" for other in passed)
        passed.append(name)
    raise ValueError(
        f"{' and '.join(passed)} would draw this photo, without an avatar, but no weights are shipped; "
        f"train them with `motion-imitate train {passed[-1]}`, and give --weights"
    )


def chain_sentence(renderer: str, why: str, passed: str) -> str:
    """One sentence about a photo that is not drawn as an avatar."""
    remedy = "give a photo of the whole person from the front for a better result"
    return f"drawn by {renderer}, small and blurred, because {why}{passed}; {remedy}"
