"""The photo's own pixels, carried by the body: nothing is learnt, nothing has to be trained.

Where a photo shows the skin or cloth that a view shows, it is read there; where only its twin on the other side of the
body is shown, there; where neither is, the front stands in for the back; and the rest takes on the colours around it.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import max_pool2d

from motion_imitate.generators.hair_and_cloth import (
    BodySurroundings,
    FringeSettings,
    LimbPlacements,
    LimbTransforms,
    VisibleBodyPixels,
    carry_fringe,
    close_cover_cracks,
    closest_wanted_pixels,
    pixels_of_part,
)
from motion_imitate.geometry.flow import (
    from_homogeneous_points,
    inside_image,
    sample_nearest,
    to_homogeneous_points,
    warp_image,
)
from motion_imitate.geometry.mesh import mesh_edges, solve_vertex_values
from motion_imitate.types import Drawn, Source, View


@dataclass(frozen=True)
class GeometricSettings:
    slack: float = 0.02  # metres that something nearer may be before it hides what is behind it
    apart: float = 0.2  # metres that loose limbs are taken to be nearer than they are
    wide: int = 2  # how many times as far as others they may stain
    stain: float = 0.013  # of a photo's longer side, round something nearer: there may be its colours
    poor: float = 0.10  # of the view's foreshortening: where a photo shows a face smaller than that, it does not count
    rich: float = 0.40  # and larger, counts fully
    firm: float = 0.9  # of the matte, from which on a pixel is surely the person's
    rim: float = 0.012  # how far inside the view's outline the matte still cuts, in parts of its longer side
    twin: float = 0.8  # what a twin's colours count beside the own side's where neither is seen well
    back: float = 0.3  # what the other side's, front for back, count where no twin is seen
    even: float = 3.0  # how smoothly the other side is laid there
    spread: float = 0.05  # how far colours reach into what is not seen
    fringe: FringeSettings = field(default_factory=FringeSettings)


@dataclass(frozen=True)
class GeometricCode:
    """What is kept of the photos. V vertices, F faces."""

    space: Float[Tensor, "N V 3"]  # where photos show the vertices, as of `flow.in_space`
    back: Float[Tensor, "N V 4"]  # where they show what is opposite, and how surely
    size: Float[Tensor, "N V"]  # how large the faces round a vertex are shown, beside all of them
    depth: Float[Tensor, "N h w"]  # how far away what is seen is, there or in a pixel next to it
    near: Float[Tensor, "N h w"]  # how far away what stands out nearest is, there or round about
    fill: Float[Tensor, "V 3"]  # a colour for every vertex
    around: BodySurroundings
    limbs: LimbPlacements


class GeometricGenerator:
    """A Generator. It knows the mesh: faces, each vertex's twin on the other side, what is opposite to it and whether
    that has the same pattern, each face's limb."""

    def __init__(
        self,
        faces: Int[Tensor, "F 3"],
        twins: Int[Tensor, " V"],
        opposite: tuple[Int[Tensor, " V"], Int[Tensor, " V"]],
        limbs: Int[Tensor, " F"],
        loose: tuple[int, ...] = (),
        how: GeometricSettings = GeometricSettings(),
    ) -> None:
        """`loose` are limbs that hang beside others, as arms do: next to them may be their colours, however near."""
        self.faces, self.twins, self.limbs, self.how = faces, twins, limbs, how
        self.loose = torch.isin(limbs, torch.tensor(loose))
        self.hanging = torch.zeros(len(twins), dtype=torch.bool)
        self.hanging[faces[self.loose]] = True
        self.opposite, self.alike = opposite
        self.pairs = mesh_edges(faces)
        self.limb_of = torch.zeros(len(twins), dtype=torch.int64)
        self.limb_of[faces.flatten()] = limbs.repeat_interleave(3)

    def encode(self, source: Source) -> GeometricCode:
        how = self.how
        at = self.vertices(source.view)
        depth = source.view.raster.depth[:, None]
        size = foreshortened_face_sizes(source.view.corners)
        front = (size > 0).float()
        near = self.before(source.view, pixels_of_part(how.stain, depth))
        clear = (sample_nearest(near, at[:, None, :, :2])[:, 0] + how.slack >= at[..., 2]) | self.hanging
        seen = clear * self.at_vertices(front, torch.ones_like(front))
        matte = warp_image(source.matte, at[:, None, :, :2])[:, 0, 0]
        good = seen * ((matte - 0.5) / (how.firm - 0.5)).clamp(0, 1)
        colours = warp_image(source.image, at[:, None, :, :2])[:, :, 0].mT
        around = BodySurroundings.of(self.limbs_seen(source.view), source.matte, how.fringe)
        limbs = LimbPlacements.of(at[..., :2], self.limb_of, (source.matte.shape[2], source.matte.shape[3]))
        close = max_pool2d(depth, 3, 1, 1)[:, 0]
        space = to_homogeneous_points(at)
        large = self.at_vertices(size.clamp(min=0), torch.ones_like(size))
        back = self.evened(torch.cat([space, good[..., None]], -1))
        return GeometricCode(space, back, large, close, near, self.filled(colours, good), around, limbs)

    def evened(self, values: Float[Tensor, "N V C"]) -> Float[Tensor, "N V C"]:
        """Those of what is opposite, without the jumps from one vertex to the next."""
        weight, stiff = torch.ones(len(self.opposite)), torch.full((len(self.pairs),), self.how.even)
        return torch.stack(
            [solve_vertex_values(self.pairs, each[self.opposite], weight, stiff).float() for each in values]
        )

    def filled(self, colours: Float[Tensor, "N V 3"], good: Float[Tensor, "N V"]) -> Float[Tensor, "V 3"]:
        """The photos' colours where they are good, elsewhere the twins', then what is opposite; and what is between."""
        total = good.sum(0)
        own = (colours * good[..., None]).sum(0) / total.clamp(min=1e-6)[:, None]
        sure = total.clamp(max=1)
        known, weight = own * sure[:, None], sure
        for theirs, surely, worth in (
            (own[self.twins], sure[self.twins], self.how.twin),
            (self.across(own, sure), sure[self.opposite], self.how.back),
        ):
            share = worth * surely * (1 - weight)
            known, weight = known + theirs * share[:, None], weight + share
        mean = (own * sure[:, None]).sum(0) / sure.sum().clamp(min=1e-6)
        known = torch.where(weight[:, None] > 0, known / weight.clamp(min=1e-6)[:, None], mean)
        stiff = torch.full((len(self.pairs),), self.how.spread)
        return solve_vertex_values(self.pairs, known, weight + 1e-6, stiff).float().clamp(0, 1)

    def across(self, own: Float[Tensor, "V 3"], sure: Float[Tensor, " V"]) -> Float[Tensor, "V 3"]:
        """The colours of what is opposite; where that is another limb, as for hands, the usual one there."""
        colours, other = own[self.opposite], self.limb_of[self.opposite] != self.limb_of
        good = other & (sure[self.opposite] > 0.5)
        return torch.where(other[:, None], colours[good].median(0).values, colours) if good.any() else colours

    def vertices(self, view: View) -> Float[Tensor, "B V 3"]:
        out = view.corners.new_zeros(len(view), len(self.twins), 3)
        return out.index_copy(1, self.faces.flatten(), view.corners.flatten(1, 2))

    def limbs_seen(self, view: View) -> Int[Tensor, "B H W"]:
        face = view.raster.face
        return torch.where(face < 0, -1, self.limbs[face.clamp(min=0)])

    def before(self, view: View, reach: int) -> Float[Tensor, "B H W"]:
        """The least depth of what stands out, round each pixel; loose limbs are as if far before all others."""
        face, depth, slack = view.raster.face, view.raster.depth, self.how.slack
        loose = (face >= 0) & self.loose[face.clamp(min=0)]
        ahead = torch.where(loose, depth - self.how.apart, torch.inf)
        return torch.minimum(
            nearest_rim_depth(depth[:, None], reach, slack),
            nearest_rim_depth(ahead[:, None], self.how.wide * reach, slack),
        )

    def at_vertices(self, of_faces: Float[Tensor, "B F"], count: Float[Tensor, "#B F"]) -> Float[Tensor, "B V"]:
        """The mean of the faces round each vertex that count, 0 where none does."""
        total = of_faces.new_zeros(2, len(of_faces), len(self.twins))
        each = torch.stack([of_faces * count, count.expand_as(of_faces)]).repeat_interleave(3, 2)
        total = total.index_add(2, self.faces.flatten(), each)
        return total[0] / total[1].clamp(min=1e-6)

    def draw(self, code: GeometricCode, target: View) -> Drawn:
        items = [self.draw_one(code, target[t : t + 1]) for t in range(len(target))]
        return Drawn(*(torch.cat([getattr(d, name) for d in items]) for name in vars(items[0])))

    def draw_one(self, code: GeometricCode, target: View) -> Drawn:
        how, photos = self.how, len(code.space)
        body = target.raster.face[0] >= 0
        size = (body.shape[0], body.shape[1])
        on = body.flatten().nonzero()[:, 0]  # the pixels that show the body, by number
        face = target.raster.face.flatten()[on]
        ways, colour = self.read(code, target, face, target.raster.weights.view(-1, 3)[on])
        at = from_homogeneous_points(ways[..., :3])
        trust = ways[..., 3]
        trust[: 2 * photos] *= self.unhidden(code, at[: 2 * photos], on, target)
        first, second, third = (sharpen_photo_trust(some) for some in trust.split(photos))
        second = second * (1 - first.sum(0)).clamp(min=0)
        third = third * (1 - first.sum(0) - second.sum(0)).clamp(min=0)
        inner = closest_wanted_pixels(~body)[1]
        rim = sample_nearest(code.around.rim, at[:photos, None, :, :2])[:, 0]
        trim = (first * rim).sum(0) * (1 - inner.flatten()[on] / (how.rim * max(size))).clamp(min=0)
        cell = torch.full((body.numel(),), -1).index_copy(0, on, torch.arange(len(on)))
        carry = LimbTransforms.of(self.vertices(target)[0, :, :2], code.limbs, self.limb_of, size)
        skin = VisibleBodyPixels(cell.view(size), inner, self.limbs[face], at[:photos, :, :2], trust[:photos])
        extra = carry_fringe(code.around, carry, skin, how.fringe)
        cell[extra.where] = torch.arange(len(on), len(on) + len(extra.where))
        whole = close_cover_cracks((cell >= 0).view(size))
        source, far = closest_wanted_pixels(
            (cell >= 0).view(size)
        )  # edges are softened, so what lies next to them needs a colour
        cell = torch.where((far <= 2).flatten(), cell[source], -1)
        flow = gather_by_cell(torch.cat([at[..., :2], extra.flow.repeat(3, 1, 1)], 1), cell)
        rest = torch.nn.functional.pad(torch.cat([second, third]), (0, len(extra.where)))
        trust = torch.cat([torch.cat([first, extra.trust], 1), rest])
        trim = gather_by_cell(torch.cat([trim, torch.ones(len(extra.where))])[None, :, None], cell).view(size)
        return Drawn(
            gather_by_cell(torch.cat([colour, colour[extra.root]])[None], cell).mT.view(1, 3, *size),
            soften_cover_edges(whole.float(), trim)[None, None],
            flow.view(1, -1, *size, 2),
            gather_by_cell(trust[..., None], cell).view(1, -1, *size),
            trim[None, None],
        )

    def read(
        self, code: GeometricCode, target: View, face: Int[Tensor, " P"], weights: Float[Tensor, "P 3"]
    ) -> tuple[Float[Tensor, "K P 4"], Float[Tensor, "P 3"]]:
        """For places on faces: where photos show them, as of `flow.in_space`, and how well; after the photos' own ways
        those of the twins, then of what is opposite. And the colours where no photo does."""
        how = self.how
        shown = foreshortened_face_sizes(target.corners)
        front = (shown > 0).float()
        large = self.at_vertices(shown, front)
        known = code.size / large.clamp(min=1e-9)  # as large in a photo as here: 1
        own, twin, back = (
            torch.cat([space, smoothstep_between(size, how.poor, how.rich)[..., None]], -1)
            for space, size in (
                (code.space, known),
                (code.space[:, self.twins], code.size[:, self.twins] / large.clamp(min=1e-9)),
                (code.back[..., :3], self.alike * code.size[:, self.opposite] / large.clamp(min=1e-9)),
            )
        )
        back[..., 3] *= smoothstep_between(code.back[..., 3], 0.2, 0.8)
        ways = torch.cat([own, twin, back]).permute(1, 0, 2).flatten(1)
        table = torch.cat([ways, code.fill], 1)
        mixed = torch.bmm(weights[:, None], table[self.faces[face]])[:, 0]
        return mixed[:, :-3].unflatten(1, (-1, 4)).permute(1, 0, 2).contiguous(), mixed[:, -3:]

    def stain(self, code: GeometricCode, target: View) -> int:
        """How many pixels of the view are as many of the photo's view as may be stained."""
        here, there = self.vertices(target)[0, :, 1], from_homogeneous_points(code.space)[..., 1]
        taller = here.std() * target.raster.face.shape[1] / (there.std(1).mean() * code.near.shape[1])
        return max(1, min(32, round(pixels_of_part(self.how.stain, code.near) * float(taller))))

    def unhidden(
        self, code: GeometricCode, at: Float[Tensor, "K P 3"], on: Int[Tensor, " P"], target: View
    ) -> Float[Tensor, "K P"]:
        """How far photos show what lies there, and not something nearer.

        Next to something nearer in the photo may be its colours: that is read only where it is next to it here, too.
        """
        ways, reach = len(at) // len(code.near), self.how.slack
        depth = target.raster.depth
        rim = self.before(target, self.stain(code, target))
        here = (rim + reach < depth).flatten()[on] | self.loose[target.raster.face.flatten()[on]]
        close, beside = (
            sample_nearest(near.repeat(ways, 1, 1), at[:, None, :, :2])[:, 0] for near in (code.depth, code.near)
        )
        shown = (at[..., 2] <= close + reach) & inside_image(at[..., :2])
        clean = at[..., 2] <= beside + reach
        size = (depth.shape[1], depth.shape[2])
        sheet = at.new_ones(len(at), size[0] * size[1]).index_copy(1, on, (shown & (clean | here)).float())
        return blur_sheets(sheet.view(-1, *size)).flatten(1)[:, on]


def gather_by_cell(values: Float[Tensor, "K P C"], cell: Int[Tensor, " HW"]) -> Float[Tensor, "K HW C"]:
    """Each pixel's value by its number; 0 where that is -1."""
    return torch.nn.functional.pad(values, (0, 0, 0, 1))[:, cell]


def soften_cover_edges(cover: Float[Tensor, "H W"], trim: Float[Tensor, "H W"]) -> Float[Tensor, "H W"]:
    """The cover with soft edges, but where a photo's matte makes the edge."""
    return torch.lerp(blur_sheets(cover[None])[0], cover, trim)


def blur_sheets(sheets: Float[Tensor, "K H W"]) -> Float[Tensor, "K H W"]:
    """The mean of each pixel and those next to it."""
    return torch.from_numpy(
        np.stack([cv2.blur(sheet, (3, 3), borderType=cv2.BORDER_REPLICATE) for sheet in sheets.numpy()])
    )


def foreshortened_face_sizes(corners: Float[Tensor, "B F 3 3"]) -> Float[Tensor, "B F"]:
    """How large faces are shown for what they are, beside all faces of the view; negative from behind."""
    (x0, y0, _), (x1, y1, _), (x2, y2, _) = (corner.unbind(-1) for corner in corners.unbind(-2))
    area = ((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)) * corners[..., 2].mean(-1) ** 2
    return -area / area.abs().sum(1, keepdim=True).clamp(min=1e-12)


def nearest_rim_depth(depth: Float[Tensor, "N 1 h w"], reach: int, slack: float) -> Float[Tensor, "N h w"]:
    """The least depth, in a square round each pixel, of what stands out before something `slack` metres behind it."""
    square = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    out = []
    for each in depth[:, 0].numpy():
        ahead = cv2.dilate(each, np.ones((3, 3), np.uint8)) > each + slack
        out.append(cv2.erode(np.where(ahead, each, np.float32(np.inf)), square))
    return torch.from_numpy(np.stack(out))


def smoothstep_between(x: Tensor, low: float, high: float) -> Tensor:
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def sharpen_photo_trust(trust: Float[Tensor, "N P"]) -> Float[Tensor, "N P"]:
    """Shares of the photos: the best is taken, not the mean of all; together at most 1."""
    power = trust.square().square().square()
    return power / power.sum(0).clamp(min=1e-12) * smoothstep_between(trust.amax(0), 0.2, 0.8)
