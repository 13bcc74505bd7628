"""What the routes work with."""

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from pipelines.web.guard import VISITOR_COOKIE, read_cookie
from pipelines.web.options import WebOptions
from pipelines.web.queue import Inspector, JobQueue
from pipelines.web.store import WebStore, random_name


@dataclass(frozen=True)
class WebServices:
    """The parts of the server."""

    store: WebStore
    queue: JobQueue
    inspector: Inspector
    how: WebOptions
    live: list[str] = field(default_factory=list)  # photos in the live mirror, of which there is one


def find_services(connection: HTTPConnection) -> WebServices:
    """The parts of the server that a request came to."""
    services: WebServices = connection.app.state.services
    return services


def find_visitor(connection: HTTPConnection) -> str:
    """Who asks: the page's visitor; programs without a cookie are nobody, and know their jobs by id alone."""
    return read_cookie(connection.headers, VISITOR_COOKIE) or random_name()


Services = Annotated[WebServices, Depends(find_services)]
Visitor = Annotated[str, Depends(find_visitor)]
