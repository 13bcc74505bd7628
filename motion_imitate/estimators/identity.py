"""dlib's face recognition network: 128 numbers per face, less than 0.6 apart for two faces of the same person."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from motion_imitate.weights import find_asset, read_weights

FACE_CHIP_SIZE = 150
FACE_MEAN_RGB = (122.782, 117.001, 104.298)  # of the training faces, in 0 to 255
RESIDUAL_BLOCKS = (
    *("32_1", "32_2", "32_3"),
    *("64_down", "64_1", "64_2", "64_3"),
    *("128_down", "128_1", "128_2"),
    *("256_down", "256_1", "256_2"),
    "256_down_out",
)


class FaceIdentityNet(nn.Module):
    """Maps aligned faces to 128 numbers each. Differentiable in the faces; its weights are fixed."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        super().__init__()
        about, stored = read_weights(find_asset("face_identity.safetensors"))
        for name, value in stored.items():
            scale, least = about["quantised"].get(name, (1, 0))
            self.register_buffer(weight_buffer_name(name), value.float() * scale + least)
        self.to(device)

    def forward(self, faces: Float[Tensor, "B 3 150 150"]) -> Float[Tensor, "B 128"]:
        x = (faces * 255 - faces.new_tensor(FACE_MEAN_RGB)[:, None, None]) / 256
        x = F.max_pool2d(F.relu(self.convolve(x, "conv32_down/conv", 2)), 3, 2)
        for name in RESIDUAL_BLOCKS:
            x = self.block(x, f"conv{name}", narrow="down" in name)
        out: Tensor = x.mean((2, 3)) @ self.get_buffer("fc")
        return out

    def convolve(self, x: Tensor, name: str, stride: int) -> Tensor:
        """Convolution followed by a scale and shift per channel; unpadded where the stride is above 1."""
        layer = name.removesuffix("/conv")
        weight, bias = (
            self.get_buffer(weight_buffer_name(f"{layer}/conv/filters")),
            self.get_buffer(weight_buffer_name(f"{layer}/conv/bias")),
        )
        y = F.conv2d(x, weight, bias, stride, padding=weight.shape[-1] // 2 if stride == 1 else 0)
        scale, shift = (self.get_buffer(weight_buffer_name(f"{layer}/scale/{k}")) for k in ("weights", "biases"))
        return y * scale[:, None, None] + shift[:, None, None]

    def block(self, x: Tensor, name: str, narrow: bool) -> Tensor:
        """One residual block; with `narrow`, at half resolution."""
        y = self.convolve(F.relu(self.convolve(x, f"{name}/conv1", 2 if narrow else 1)), f"{name}/conv2", 1)
        if not narrow:
            return F.relu(x + y)
        x = F.avg_pool2d(x, 2, 2)
        high, wide = max(x.shape[2], y.shape[2]), max(x.shape[3], y.shape[3])
        return F.relu(pad_to_size(x, y.shape[1], high, wide) + pad_to_size(y, y.shape[1], high, wide))


def pad_to_size(x: Tensor, channels: int, high: int, wide: int) -> Tensor:
    """The tensor zero-padded at the right, at the bottom and with further channels."""
    return F.pad(x, [0, wide - x.shape[3], 0, high - x.shape[2], 0, channels - x.shape[1]])


def weight_buffer_name(name: str) -> str:
    """The buffer's name for a tensor's name in the file."""
    return name.replace("/", "_")
