"""The live mirror's process: pictures of a camera in, pictures of the person who moves alike out.

Its pipe carries bytes, the first of which says what follows. A picture is a JPEG after the second at which the camera
saw it, on a clock of the sender's.
"""

import struct
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from os import getppid
from pathlib import Path
from signal import SIG_IGN, SIGINT, signal
from threading import Condition, Thread

import cv2
import numpy as np
import torch

from motion_imitate.estimators.clip import load_fitter
from motion_imitate.estimators.landmarks import LandmarkEstimator, Landmarking
from motion_imitate.estimators.live import LiveWindow, fit_live
from motion_imitate.estimators.live_landmarks import look_live
from motion_imitate.estimators.quality import LIVE_FITTING
from motion_imitate.frame_renderer import FrameRenderer
from motion_imitate.geometry.raster import rasterize
from motion_imitate.imitate import photo_floor
from motion_imitate.motion.retarget import retarget_live
from motion_imitate.motion.smooth import smooth_live
from motion_imitate.person import Person
from motion_imitate.photos.headers import NotAPicture, read_image_header
from motion_imitate.types import Frames, Motion
from pipelines.batch.local_workers import exit_with_parent
from pipelines.batch.worker_job import RecordingReporter
from pipelines.rendering.options import PersonOptions
from pipelines.rendering.person import load_person
from pipelines.streaming.threads import prefetch_items
from pipelines.web.worker import refusal_sentence

READY, FAULT, PICTURE = b"R", b"E", b"P"
MIRROR_SIDE = 480  # pixels of the longer side of the pictures, in and out
MOST_CAMERA_SIDE = 1280  # pixels of a camera's picture
MIRROR_LOOK = Landmarking(model="full", rate=1e6)
MIRROR_FITTING = replace(LIVE_FITTING, outline_steps=0)  # half the time of a fit
MIRROR_WINDOW = LiveWindow(frames=8)
JPEG_SETTINGS = [cv2.IMWRITE_JPEG_QUALITY, 85]


class NewestFrame:
    """Holds the newest picture of the camera; older ones that nobody took are dropped."""

    def __init__(self) -> None:
        self.changed, self.packet, self.ended = Condition(), b"", False

    def put(self, packet: bytes) -> None:
        """Replace the picture; an empty one is the last."""
        with self.changed:
            self.packet, self.ended = packet, not packet
            self.changed.notify()

    def take(self) -> bytes:
        """Wait for a picture and take it."""
        with self.changed:
            self.changed.wait_for(lambda: self.packet or self.ended)
            packet, self.packet = self.packet, b""
            return packet


def serve_mirror(pipe: Connection, photos: list[Path], parent: int) -> None:
    """Run in the mirror's process until the pipe closes."""
    signal(SIGINT, SIG_IGN)
    if getppid() == parent:
        Thread(target=exit_with_parent, args=(parent,), daemon=True).start()
    torch.set_num_threads(1)
    newest = NewestFrame()
    try:
        person = load_person(photos, MIRROR_SIDE, PersonOptions(), RecordingReporter())
        pipe.send_bytes(READY)
        Thread(target=receive_packets, args=(pipe, newest), daemon=True).start()
        for packet in mirror_packets(newest, person):
            pipe.send_bytes(PICTURE + packet)
    except (EOFError, OSError):  # the visitor has gone
        return
    except Exception as error:
        pipe.send_bytes(FAULT + refusal_sentence(error).encode())


def receive_packets(pipe: Connection, newest: NewestFrame) -> None:
    """Take pictures off the pipe as they come."""
    try:
        while True:
            newest.put(pipe.recv_bytes())
    except (EOFError, OSError):
        newest.put(b"")


def mirror_packets(newest: NewestFrame, person: Person) -> Iterator[bytes]:
    """Pictures of the person, each with the second of the camera's picture."""
    source = person.source
    renderer = FrameRenderer(person, rasterize, photo_floor(person, Motion(source.body, source.camera, *still_time())))
    behind = (source.background[:1] * 255 + 0.5).to(torch.uint8)
    for motion in follow_camera(newest, person):
        drawn = renderer((Frames(behind, motion.seconds), motion)).data[0]
        pixels = np.ascontiguousarray(drawn.permute(1, 2, 0).numpy()[..., 2::-1])
        yield struct.pack("<d", float(motion.seconds[0])) + cv2.imencode(".jpg", pixels, JPEG_SETTINGS)[1].tobytes()


def still_time() -> tuple[torch.Tensor, torch.Tensor]:
    """Confidence and second of one frame."""
    return torch.ones(1), torch.zeros(1)


@torch.no_grad()
def follow_camera(newest: NewestFrame, person: Person) -> Iterator[Motion]:
    """The person's motion as the camera's. A picture is looked at while the one before is fitted, and that one before
    it is drawn."""
    estimator = LandmarkEstimator(MIRROR_LOOK)
    while (first := decode_packet(newest.take())) is None:
        if newest.ended:
            return
    size = (first.data.shape[2], first.data.shape[3])
    seen = prefetch_items(look_live(camera_frames(first, newest), estimator), 1)
    fitted = smooth_live(fit_live(seen, load_fitter("anny", MIRROR_FITTING), size, MIRROR_WINDOW))
    moved = retarget_live(fitted, person.source.body[:1], person.source.camera[:1], person.model)
    yield from prefetch_items(moved, 1)


def camera_frames(first: Frames, newest: NewestFrame) -> Iterator[Frames]:
    """The pictures of the camera, at the size of the first."""
    yield first
    while packet := newest.take():
        frame = decode_packet(packet)
        if frame is not None and frame.data.shape == first.data.shape:
            yield frame


def decode_packet(packet: bytes) -> Frames | None:
    """A picture of the camera; None if it is none, or too large."""
    if len(packet) < 9:
        return None
    try:
        head = read_image_header(Path("camera"), packet[8:])
    except NotAPicture:
        return None
    if head.kind != "JPEG" or max(head.height, head.width) > MOST_CAMERA_SIDE:
        return None
    pixels = cv2.imdecode(np.frombuffer(packet, np.uint8, offset=8), cv2.IMREAD_COLOR)
    if pixels is None:
        return None
    scale = min(1.0, MIRROR_SIDE / max(pixels.shape[:2]))
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[..., ::-1]
    data = torch.from_numpy(np.ascontiguousarray(small.transpose(2, 0, 1)))
    return Frames(data[None], torch.tensor([struct.unpack("<d", packet[:8])[0]], dtype=torch.float64))
