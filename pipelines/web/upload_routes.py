"""Routes of uploads."""

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse
from starlette.requests import ClientDisconnect

from motion_imitate.weights import find_asset
from pipelines.web.refusal import Refusal
from pipelines.web.services import Services, Visitor
from pipelines.web.store import Upload
from pipelines.web.uploads import receive_upload
from pipelines.web.work import UploadKind

upload_router = APIRouter(tags=["uploads"])
SAMPLES: dict[str, tuple[UploadKind, str]] = {"photo": ("photo", "demo/photo.jpg"), "clip": ("clip", "demo/clip.mp4")}
SAMPLE_CHUNK = 1 << 20
BINARY_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
VIDEO_TYPES = {b"\x1aE\xdf\xa3": "video/webm"}  # by the first bytes; others are offered as MP4


@upload_router.post("/uploads", status_code=201, openapi_extra=BINARY_BODY)
async def upload_file(
    request: Request,
    services: Services,
    visitor: Visitor,
    kind: Annotated[UploadKind, Query(description="what the file is for")],
    name: Annotated[str, Query(max_length=1000, description="its name, to be shown")] = "",
) -> dict[str, Any]:
    """Send a file as the body of the request. The answer says what will suffer, or why it cannot be used."""
    length = request.headers.get("content-length", "")
    try:
        return describe_upload(
            await receive_upload(
                request.stream(),
                kind,
                name,
                visitor,
                services.store,
                services.inspector,
                services.how.upload_mb,
                int(length) if length.isdigit() else None,
            )
        )
    except ClientDisconnect:
        raise Refusal(499, "the upload was broken off") from None


@upload_router.post("/samples/{name}", status_code=201)
async def use_sample(name: Literal["photo", "clip"], services: Services, visitor: Visitor) -> dict[str, Any]:
    """Use the photo or the clip that come with the program, as if uploaded."""
    kind, asset = SAMPLES[name]
    chunks, mb = read_chunks(find_asset(asset)), services.how.upload_mb
    shown = f"sample {name}"
    return describe_upload(await receive_upload(chunks, kind, shown, visitor, services.store, services.inspector, mb))


async def read_chunks(file: Path) -> AsyncIterator[bytes]:
    """A file in pieces."""
    with file.open("rb") as data:
        while chunk := data.read(SAMPLE_CHUNK):
            yield chunk


@upload_router.get("/uploads/{id}")
async def show_upload(id: str, services: Services) -> dict[str, Any]:
    """What is known of an upload."""
    return describe_upload(known_upload(id, services))


@upload_router.delete("/uploads/{id}", status_code=204)
async def delete_upload(id: str, services: Services) -> None:
    """Delete an upload at once; jobs that wait for it fail."""
    services.store.forget_upload(known_upload(id, services).id)


@upload_router.get("/uploads/{id}/picture")
async def show_picture(id: str, services: Services) -> FileResponse:
    """A picture of an upload, 1280 pixels at most."""
    return existing_file(known_upload(id, services).picture, "image/jpeg")


@upload_router.get("/uploads/{id}/file")
async def show_file(id: str, services: Services) -> FileResponse:
    """A clip, to be played."""
    upload = known_upload(id, services)
    if upload.kind != "clip":
        raise Refusal(404, "only clips are sent back")
    begin = b""
    with suppress(OSError), upload.file.open("rb") as data:
        begin = data.read(4)
    return existing_file(upload.file, VIDEO_TYPES.get(begin, "video/mp4"))


def known_upload(id: str, services: Services) -> Upload:
    """The upload with that id."""
    upload = services.store.find_upload(id)
    if upload is None:
        raise Refusal(404, "this file is not there any more; choose it again")
    return upload


def existing_file(file: Path, media: str, name: str | None = None) -> FileResponse:
    """A file of the server's own folder."""
    if not file.is_file():
        raise Refusal(404, "this file is not there any more")
    return FileResponse(file, media_type=media, filename=name)


def describe_upload(upload: Upload) -> dict[str, Any]:
    """An upload as the page shows it."""
    about = {name: value for name, value in upload.about.items() if name != "sha256"}
    seen = {"picture": f"/api/uploads/{upload.id}/picture"} if upload.kind != "motion" else {}
    return {"id": upload.id, "kind": upload.kind, "name": upload.name} | about | seen
