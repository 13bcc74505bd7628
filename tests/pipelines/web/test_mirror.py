"""The live mirror: the newest picture only, none that is a bomb, and nobody's but a visitor's of this page."""

import struct

import cv2
import numpy as np
import pytest
from starlette.websockets import WebSocketDisconnect

from pipelines.web.mirror import MOST_CAMERA_SIDE, NewestFrame, decode_packet
from tests.support.web_app import HERE, open_browser

PATH = "/api/live?photo=x"


def packet(height, width, second=1.5, suffix=".jpg"):
    return struct.pack("<d", second) + cv2.imencode(suffix, np.full((height, width, 3), 90, np.uint8))[1].tobytes()


def test_pictures_that_nobody_took_are_dropped():
    newest = NewestFrame()
    newest.put(b"old")
    newest.put(b"new")
    assert newest.take() == b"new"
    newest.put(b"")
    assert (newest.take(), newest.ended) == (b"", True)


def test_a_picture_is_scaled_to_the_mirrors_size_and_keeps_its_second():
    frame = decode_packet(packet(960, 540))
    assert frame.data.shape == (1, 3, 480, 270)
    assert float(frame.seconds[0]) == 1.5


@pytest.mark.parametrize(
    "given",
    [b"", b"12345678", packet(8, 8)[:12], packet(8, MOST_CAMERA_SIDE + 1), packet(8, 8, suffix=".png"), b"x" * 5000],
)
def test_what_is_no_picture_of_a_camera_is_dropped(given):
    assert decode_packet(given) is None


def test_the_mirror_refuses_other_sites_and_unknown_photos(tmp_path):
    with open_browser(tmp_path) as browser:
        own = {"host": HERE.removeprefix("http://"), "origin": HERE}
        for others in ({"origin": "http://evil.example"}, {"host": "evil.example"}):
            with pytest.raises(WebSocketDisconnect), browser.websocket_connect(PATH, headers=own | others):
                pass
        with browser.websocket_connect(PATH, headers=own) as socket:
            assert socket.receive_json() == {"error": "choose a photo of a person first"}
