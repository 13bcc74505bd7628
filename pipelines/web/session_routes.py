"""Routes about the server itself: what it can do, and letting a visitor in."""

from hmac import compare_digest
from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from pipelines.provenance import software_name
from pipelines.web.guard import TOKEN_COOKIE
from pipelines.web.option_schema import task_option_schemas
from pipelines.web.refusal import Refusal
from pipelines.web.services import Services
from pipelines.web.uploads import LARGEST_MB

session_router = APIRouter(tags=["server"])


class TokenGiven(BaseModel):
    """The secret that the server was started with."""

    token: str = Field(max_length=1000)


@session_router.post("/session", status_code=204)
async def open_session(given: TokenGiven, services: Services, response: Response) -> None:
    """Let a browser in: it keeps the token as a cookie that scripts cannot read."""
    token = services.how.token
    if token is not None and not compare_digest(given.token.encode(), token.encode()):
        raise Refusal(401, "that is not the token of this server")
    if token is not None:
        response.set_cookie(TOKEN_COOKIE, token, httponly=True, samesite="strict")


@session_router.get("/about")
async def describe_server(services: Services) -> dict[str, Any]:
    """The program, its limits, and the options of each task."""
    how = services.how
    most = {"photo": how.upload_mb, "clip": how.upload_mb, "background": how.upload_mb, "motion": how.upload_mb}
    limits = {kind: min(mb, LARGEST_MB.get(kind, mb)) for kind, mb in most.items()}  # type: ignore[call-overload]
    return {
        "software": software_name(),
        "keep_hours": how.keep_hours,
        "largest_mb": limits,
        "options": task_option_schemas(),
    }
