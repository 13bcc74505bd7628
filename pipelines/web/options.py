"""The options of `motion-imitate web`. This module must stay fast to import."""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

LEAST_TOKEN = 12  # characters


def check_token(_: object, token: object) -> None:
    """Raise ValueError for a token that is easily guessed, or that a header or a cookie cannot hold."""
    if isinstance(token, str) and (len(token) < LEAST_TOKEN or not token.isascii() or not token.isalnum()):
        raise ValueError(f"give a token of {LEAST_TOKEN} or more letters and digits")


@dataclass(frozen=True)
class WebOptions:
    """Where the page is served, and what its visitors may do."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 is every address of this machine, and needs --token."""
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65535))] = 8765
    """Port to listen on; 0 is any free one."""
    token: Annotated[str | None, Parameter(validator=check_token)] = None
    """Secret of letters and digits that visitors must give; set MOTION_IMITATE_TOKEN to keep it off the command line.
    Not needed on this machine alone."""
    work: Path | None = None
    """Folder for uploads, results and the queue. Default: the folder web in the user's data folder."""
    keep_hours: Annotated[float, Parameter(validator=Number(gt=0, lte=8760))] = 24
    """Hours after which uploads and results are deleted."""
    workers: Annotated[int, Parameter(validator=Number(gte=1, lte=64))] = 1
    """Worker processes: jobs that run at the same time."""
    queue: Annotated[int, Parameter(validator=Number(gte=1, lte=10_000))] = 50
    """Jobs that may wait; more are refused."""
    upload_mb: Annotated[float, Parameter(validator=Number(gt=0, lte=100_000))] = 500
    """Megabytes of an uploaded clip, at most."""
    device: str = "auto"
    """Device of the pose network and of drawing: auto, cpu, cuda or cuda:1; auto takes a GPU that can be used."""

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback_name(self.host)


def is_loopback_name(host: str) -> bool:
    """Whether a host name or address always is this machine."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
