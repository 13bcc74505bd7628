"""Pairs of views from a store as the Liquid Warping GAN sees them: flows and body coordinates of the store's bodies."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.generators.detail_replenishing import FACING
from motion_imitate.generators.liquid_warping import LiquidWarpingBatch
from motion_imitate.generators.painter import face_uv_points, uv_surface_map
from motion_imitate.geometry.flow import correspond_views
from motion_imitate.geometry.raster import rasterize
from motion_imitate.geometry.view import view_of_body
from motion_imitate.training.losses import largest_around
from motion_imitate.training.samples import BACKGROUND_MARGIN_PIXELS, GroundTruth, PaintingSample
from motion_imitate.training.store_pairs import PairBatch, PersonViews
from motion_imitate.types import BodyModel, View


@dataclass(frozen=True)
class PaintingPairs:
    """Makes samples of pairs with a body model, on its device."""

    model: BodyModel
    middles: Float[Tensor, "F 2"]  # texture coordinates of the model's faces

    @classmethod
    def of(cls, model: BodyModel) -> "PaintingPairs":
        """For the bodies of a model."""
        return cls(model, face_uv_points(model.uv))

    def see(self, views: PersonViews) -> View:
        """The bare bodies of views."""
        height, width = views.alpha.shape[2:]
        return view_of_body(self.model, rasterize, views.body, views.camera, (height, width))

    @torch.no_grad()
    def make_sample(self, pairs: PairBatch) -> PaintingSample:
        """One photo of each person and one view to paint, before the photo's background."""
        source, target = pairs.source, pairs.target
        photo, view = self.see(source), self.see(target)
        near = largest_around((source.matte > 0.5).to(source.matte), BACKGROUND_MARGIN_PIXELS)
        given = LiquidWarpingBatch(
            image=source.picture[:, None],
            person=source.matte[:, None],
            surface=uv_surface_map(photo, self.middles)[:, None],
            behind=1 - near,
            target=uv_surface_map(view, self.middles),
            flow=correspond_views(photo, view)[:, None, ..., :2],
            valid=(view.raster.face >= 0)[:, None],
        )
        face = torch.where(target.face_turned[:, None] > FACING, target.face, torch.nan)
        return PaintingSample(given, GroundTruth(target.picture, target.alpha, target.background, face))
