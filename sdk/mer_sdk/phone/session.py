"""Who takes part in a phone check: what is served, what happens, and which phones have a place."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mer_sdk.contract.manifest import Manifest
from mer_sdk.phone.evidence import Seen
from mer_sdk.phone.merging import DeviceEntry

# The package of the page's own wheel.
PAGE_PACKAGE = "mer_phone_page"
# A phone that was not heard of for so long gives its place to another one, seconds.
LOST = 60.0


@dataclass(frozen=True)
class CheckStarted:
    """A phone began; `phone` counts from 1."""

    phone: int
    user_agent: str


@dataclass(frozen=True)
class Advanced:
    """How far a phone is with one thing."""

    phone: int
    what: str
    done: float
    total: float


@dataclass(frozen=True)
class Reported:
    """A report that was accepted."""

    phone: int
    entry: DeviceEntry


@dataclass(frozen=True)
class Refused:
    """Something that was turned away, in one sentence; `phone` is 0 for a stranger."""

    phone: int
    why: str


Event = CheckStarted | Advanced | Reported | Refused


def page_folder() -> Path:
    """Folder of the built page: what `make web` wrote into this checkout, else what the page's own wheel installed.

    Where there is neither, the first of them, which is empty.
    """
    built = Path(__file__).parent / "page"
    installed = find_spec(PAGE_PACKAGE)
    if (built / "index.html").is_file() or installed is None or installed.origin is None:
        return built
    return Path(installed.origin).parent / "page"


@dataclass(frozen=True, eq=False)
class Service:
    """What is served.

    Attributes:
        bundle: its folder.
        manifest: as it was opened.
        settings: what the page is to do, JSON.
        clips: gives the .npz of a labelled clip by its number.
        read: what the text of a report proves that came in such a request; raises DataError where it is refused.
        phones: how many may begin.
        page: folder of the built page.
    """

    bundle: Path
    manifest: Manifest
    settings: dict[str, Any]
    read: Callable[[str, Seen], DeviceEntry]
    clips: Sequence[Callable[[], bytes]] = ()
    phones: int = 1
    page: Path = field(default_factory=page_folder)


@dataclass(eq=False)
class Phone:
    """A phone that has begun; `heard` is the time of `time.monotonic`."""

    number: int
    heard: float
    reported: bool = False


@dataclass(eq=False)
class CheckSession:
    """Which phones may come in, by their sessions; all of it under one lock."""

    places: int
    phones: dict[str, Phone] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    count: int = 0

    def begin(self, session: str) -> tuple[str, int, bool] | None:
        """A session, its phone's number and whether it is new; None where every place is taken."""
        with self.lock:
            known = self.phones.get(session)
            now = time.monotonic()
            if known is not None:
                known.heard = now
                return session, known.number, False
            lost = [key for key, one in self.phones.items() if not one.reported and now - one.heard >= LOST]
            if len(self.phones) - len(lost) >= self.places:
                return None
            # Who was away for too long has no session any more, so that no more than so many can report.
            for key in lost:
                del self.phones[key]
            self.count += 1
            session = secrets.token_urlsafe(16)
            self.phones[session] = Phone(self.count, now)
            return session, self.count, True

    def phone(self, session: str) -> Phone | None:
        """The phone of a session, which is heard of now."""
        with self.lock:
            found = self.phones.get(session)
            if found is not None:
                found.heard = time.monotonic()
            return found

    def report(self, phone: Phone) -> bool:
        """Whether the report of a phone, which is in order, is its first."""
        with self.lock:
            first, phone.reported = not phone.reported, True
            return first

    def silence(self) -> dict[int, float]:
        """Phone -> seconds since it was last heard of, of those that have not reported."""
        with self.lock:
            now = time.monotonic()
            return {one.number: now - one.heard for one in self.phones.values() if not one.reported}
