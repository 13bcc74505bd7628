"""The live mirror."""

from fastapi import APIRouter

live_router = APIRouter(tags=["live"])
