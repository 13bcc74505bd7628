"""Convert a user's own weights of Human Mesh Recovery or SPIN. Only tensors are read; no code in the file is run."""

from pathlib import Path

import torch
from torch import Tensor

from motion_imitate.estimators.hmr import HMR_FORMS, Hmr, write_hmr
from motion_imitate.weights import load_third_party_tensors

CHECKPOINT_KEYS = ("model", "state_dict")  # under which checkpoints keep the network's tensors
HMR_LAYERS = {f"regressor.fc_blocks.{name}": f"regressor.{name}" for name in ("fc1", "fc2", "fc3")}
SPIN_PARTS = ("cam", "pose", "shape")  # in our order
HMR_NAMES = {"published": "Human Mesh Recovery", "spin": "SPIN"}  # by form
WANTED_FILES = (
    "give the HMR weights of the PyTorch code (tensors resnet.* and regressor.*) or a SPIN checkpoint (layer*, fc1, "
    "fc2, decpose, decshape, deccam)"
)


def convert_hmr_file(source: Path, out: Path) -> str:
    """Convert a checkpoint of either kind; returns which."""
    stored = load_third_party_tensors(source, inside=CHECKPOINT_KEYS)
    stored = {k.removeprefix("module."): v for k, v in stored.items()}
    form = "spin" if "decpose.weight" in stored else "published"
    try:
        tensors = convert_spin_names(stored) if form == "spin" else convert_hmr_names(stored)
    except KeyError as error:
        raise ValueError(f"{source} has no tensor {error.args[0]!r}; {WANTED_FILES}") from None
    except (IndexError, RuntimeError):
        raise ValueError(f"{source} has tensors of other shapes; {WANTED_FILES}") from None
    net = Hmr(HMR_FORMS[form])
    own = net.state_dict()
    for name, value in own.items():
        if name.endswith("num_batches_tracked"):
            tensors.setdefault(name, value)
        elif name not in tensors or tensors[name].shape != value.shape:
            given = f"of shape {tuple(tensors[name].shape)}" if name in tensors else "missing"
            raise ValueError(f"{source} has {name} {given}; it must be {tuple(value.shape)}; {WANTED_FILES}")
    net.load_state_dict({name: tensors[name] for name in own})
    if not all(bool(value.isfinite().all()) for value in net.state_dict().values()):
        raise ValueError(f"{source} has numbers that are not finite; download it again")
    write_hmr(out, net, {"from": source.name})
    return HMR_NAMES[form]


def convert_hmr_names(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of the PyTorch code of HMR, under our names."""
    tensors = {f"encoder.{k.removeprefix('resnet.')}": v for k, v in stored.items() if k.startswith("resnet.")}
    for theirs, ours in HMR_LAYERS.items():
        tensors |= {f"{ours}.{part}": stored[f"{theirs}.{part}"] for part in ("weight", "bias")}
    mean = stored["regressor.mean_theta"]
    return tensors | {"regressor.mean": mean.reshape(-1, mean.shape[-1])[0]}  # some have one for each of a batch


def convert_spin_names(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of SPIN, under our names and in our order of a body's numbers: camera, pose, shape.

    SPIN has pose, shape, camera, and the two columns of each rotation interleaved.
    """
    joints = HMR_FORMS["spin"].rotations
    columns = torch.arange(6 * joints).view(joints, 3, 2).mT.flatten()
    rows = {"cam": torch.arange(3), "pose": columns, "shape": torch.arange(HMR_FORMS["spin"].shapes)}
    starts = {"pose": 0, "shape": len(columns), "cam": len(columns) + len(rows["shape"])}
    features = stored["fc1.weight"].shape[1] - sum(map(len, rows.values()))
    inputs = [torch.arange(features), *(features + starts[part] + rows[part] for part in SPIN_PARTS)]
    tensors = {f"encoder.{k}": v for k, v in stored.items() if k.startswith(("conv1.", "bn1.", "layer"))}
    tensors |= {
        f"regressor.{layer}.{part}": stored[f"{layer}.{part}"]
        for layer in ("fc1", "fc2")
        for part in ("weight", "bias")
    }
    tensors["regressor.fc1.weight"] = stored["fc1.weight"][:, torch.cat(inputs)]
    for part in ("weight", "bias"):
        tensors[f"regressor.fc3.{part}"] = torch.cat([stored[f"dec{p}.{part}"][rows[p]] for p in SPIN_PARTS])
    tensors["regressor.mean"] = torch.cat([stored[f"init_{p}"].flatten()[rows[p]] for p in SPIN_PARTS])
    return tensors
