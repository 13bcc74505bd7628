"""The encoder follows the device, and all parts of a video have one."""

import pytest

from motion_imitate.video import nvenc_works
from pipelines.output_path import UsageError
from pipelines.rendering.encoder import check_encoder_option, choose_encoder, settle_encoder


@pytest.mark.parametrize(
    ("asked", "device", "chosen"),
    [
        ("auto", "cpu", "x264"),
        ("auto", "cuda", "auto"),  # NVENC is tried when the size is known
        ("auto", "cuda:1", "auto"),
        ("nvenc", "cpu", "nvenc"),
        ("x264", "cuda", "x264"),
    ],
)
def test_nvenc_is_tried_by_itself_beside_work_on_a_gpu_only(asked, device, chosen):
    assert choose_encoder(asked, device) == chosen


def test_parts_that_are_joined_have_one_encoder():
    here = "nvenc" if nvenc_works() else "x264"
    assert settle_encoder("auto", "cuda", elsewhere=False) == here
    assert settle_encoder("auto", "cuda", elsewhere=True) == "x264"
    assert settle_encoder("nvenc", "cpu", elsewhere=True) == "nvenc"


@pytest.mark.skipif(nvenc_works(), reason="NVENC works here")
def test_nvenc_is_refused_where_there_is_none():
    check_encoder_option("auto")
    check_encoder_option("x264")
    with pytest.raises(UsageError, match="needs an NVIDIA GPU that encodes"):
        check_encoder_option("nvenc")
