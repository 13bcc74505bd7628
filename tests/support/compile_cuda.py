"""Compile the CUDA kernels of drawing to PTX where there is no GPU, and print each one's name and whether it keeps
anything outside registers. It needs numba-cuda[cu13]: python -m tests.support.compile_cuda
"""

from types import SimpleNamespace

import numba.cuda.dispatcher
from numba import cuda, types

from motion_imitate.avatar import draw_cuda
from motion_imitate.geometry import raster_cuda

CAPABILITY = (9, 0)


def array(of: types.Type, axes: int) -> types.Array:
    """The type of a contiguous array."""
    return types.Array(of, axes, "C")


def kernel_signatures() -> dict[object, tuple[types.Type, ...]]:
    """The kernels of drawing, with the types that they are called with."""
    f1, f2, f3, f4 = (array(types.float32, axes) for axes in (1, 2, 3, 4))
    i1, i2, i3 = (array(types.int64, axes) for axes in (1, 2, 3))
    words, small, flags, bytes4 = (
        array(*each) for each in ((types.int32, 3), (types.int32, 2), (types.boolean, 1), (types.uint8, 4))
    )
    run = types.NamedTuple([f3, i2, i2, f2, i1, i1, f3, i1, f1, flags, flags, words], draw_cuda.AvatarRun)
    placed = types.NamedTuple([f3, f3, words, f2, small], draw_cuda.PlacedRun)
    return {
        raster_cuda.find_nearest_faces: (f4, types.float32, i3),
        raster_cuda.write_raster: (f4, i3, i3, f4, f3),
        draw_cuda.place_faces_of_run: (run, f3, types.float32, types.UniTuple(types.int64, 2), placed),
        draw_cuda.rasterize_run: (placed, words, types.int64, i2, i2),
        draw_cuda.blend_run: (bytes4, f3, words, i2, i2),
        draw_cuda.write_run: (f4, f4, f3, words, i2, i2),
    }


def main() -> None:
    """Compile every kernel."""
    numba.cuda.dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=CAPABILITY, id=0)
    for kernel, signature in kernel_signatures().items():
        ptx, _ = cuda.compile(kernel.py_func, signature, cc=CAPABILITY)
        print(kernel.py_func.__name__, len(ptx), "spilled" if ".local" in ptx else "in registers")


if __name__ == "__main__":
    main()
