"""Pairs of views of bodies made of 24 patches, one for each part: the source shows all that the target does."""

import torch

from motion_imitate.training.store_pairs import PairBatch, PersonViews
from motion_imitate.types import Body, Camera


def patch_surface(count, size=(32, 32)):
    """Surface maps of 4 x 6 patches, below a strip of nothing; u grows across each patch, v down."""
    rows, columns = torch.meshgrid(*(torch.arange(n) for n in size), indexing="ij")
    part = 1 + rows * 4 // size[0] * 6 + columns * 6 // size[1]
    u, v = (columns * 6 / size[1]) % 1, (rows * 4 / size[0]) % 1
    surface = torch.stack([part, u, v]).float().expand(count, -1, -1, -1).clone()
    surface[:, :, :2] = 0
    return surface


def patched_views(surface, colours):
    """Views of bodies whose patches have one colour each, [B, 25, 3]."""
    there = (surface[:, :1] > 0).float()
    picture = torch.stack([c[s.long()] for c, s in zip(colours, surface[:, 0], strict=True)]).permute(0, 3, 1, 2)
    picture = picture * there
    stored = torch.cat([surface[:, :1], surface[:, 1:] * 255], 1).round().to(torch.uint8)
    count, none = len(surface), torch.zeros(len(surface), 1)
    return PersonViews(
        picture=picture,
        matte=there,
        colour=picture,
        alpha=there,
        background=torch.zeros_like(picture),
        surface=stored,
        seen_surface=stored,
        points=torch.zeros(count, 33, 2),
        visible=torch.ones(count, 33),
        found_points=torch.zeros(count, 33, 2),
        face=torch.zeros(count, 4),
        face_turned=none[:, 0],
        body=Body(torch.eye(3).expand(count, 1, 3, 3), none),
        camera=Camera(torch.ones(count, 2), torch.zeros(count, 2), torch.zeros(count, 3)),
    )


def patched_pairs(count, size=(32, 32)):
    """People of a colour each, slightly varied; the target is the source mirrored across."""
    random = torch.Generator().manual_seed(0)
    colours = 0.1 + 0.7 * torch.rand(count, 1, 3, generator=random) + 0.03 * torch.rand(count, 25, 3, generator=random)
    surface = patch_surface(count, size)
    return PairBatch(patched_views(surface, colours), patched_views(surface.flip(3), colours))
