"""The live mirror: pictures of a visitor's camera come in over a WebSocket, pictures of the person go out."""

import asyncio
import os
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from pipelines.web.mirror import FAULT, PICTURE, READY, serve_mirror
from pipelines.web.services import Services, WebServices

live_router = APIRouter()
POLL_SECONDS = 0.5  # between looks whether the visitor is still there
IDLE_SECONDS = 30.0  # without a picture, after which the mirror is closed
PREPARATION_SECONDS = 600.0  # until the person is ready; pictures come only then
MIRROR_GONE = "the live mirror has stopped; start it again"
LARGEST_PICTURE = 2_000_000  # bytes


@live_router.websocket("/live")
async def mirror_camera(socket: WebSocket, services: Services, photo: str) -> None:
    """Each message in is a float64, little-endian, of seconds, and a JPEG; so is each message out, for the newest
    picture that there was time for. Whether the person is ready, and faults, come as JSON."""
    upload = services.store.find_upload(photo)
    await socket.accept()
    if upload is None or upload.kind != "photo":
        await refuse(socket, "choose a photo of a person first")
    elif services.live:
        await refuse(socket, "somebody else uses the live mirror now; try again later")
    else:
        services.live.append(photo)
        try:
            await run_mirror(socket, [upload.file], services)
        finally:
            services.live.remove(photo)


async def refuse(socket: WebSocket, sentence: str) -> None:
    """Say why there is no mirror, and close."""
    with suppress(RuntimeError, WebSocketDisconnect):
        await socket.send_json({"error": sentence})
        await socket.close()


async def run_mirror(socket: WebSocket, photos: list[Path], services: WebServices) -> None:
    """Carry pictures between a visitor and a process of their own."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve_mirror, args=(theirs, photos, os.getpid()), daemon=True)
    await asyncio.to_thread(process.start)
    theirs.close()
    tasks = [asyncio.create_task(forward_camera(socket, ours)), asyncio.create_task(forward_person(socket, ours))]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for sentence in filter(None, (task.result() for task in done)):
            await refuse(socket, sentence)
    finally:
        for task in tasks:
            task.cancel()
        process.kill()
        await asyncio.to_thread(process.join)
        ours.close()


async def forward_camera(socket: WebSocket, pipe: Connection) -> str:
    """Send the visitor's pictures to the process; the sentence with which that ends."""
    came = False
    with suppress(WebSocketDisconnect, KeyError, RuntimeError):
        while True:
            patience = IDLE_SECONDS if came else PREPARATION_SECONDS
            try:
                packet = await asyncio.wait_for(socket.receive_bytes(), patience)
            except TimeoutError:
                return "no pictures came from the camera; start the mirror again"
            came = True
            if len(packet) > LARGEST_PICTURE:
                return "the camera's pictures are too large"
            try:
                await asyncio.to_thread(pipe.send_bytes, packet)
            except OSError:
                return MIRROR_GONE
    return ""


async def forward_person(socket: WebSocket, pipe: Connection) -> str:
    """Send the process's pictures to the visitor; the sentence with which that ends."""
    with suppress(WebSocketDisconnect, RuntimeError):
        try:
            while True:
                packet = await asyncio.to_thread(receive_packet, pipe)
                if packet[:1] == FAULT:
                    return packet[1:].decode()
                if packet == READY:
                    await socket.send_json({"ready": True})
                elif packet[:1] == PICTURE:
                    await socket.send_bytes(packet[1:])
        except (EOFError, OSError):
            return MIRROR_GONE
    return ""


def receive_packet(pipe: Connection) -> Any:
    """The next packet of the process, or nothing yet."""
    return pipe.recv_bytes() if pipe.poll(POLL_SECONDS) else b""
