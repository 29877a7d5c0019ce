"""Which cameras and microphones `mer doctor` finds; none is opened, so no light of a camera goes on."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from mer_sdk.cli.tables.board import Row
from mer_sdk.live.sources.camera import listed_cameras
from mer_sdk.live.sources.microphone import listed_microphones

# Linux lists here what its sound cards have.
SOUND_CARDS = Path("/proc/asound/pcm")
PORTAUDIO = "Debian, Ubuntu, Raspberry Pi OS: apt install libportaudio2"


def device_rows(import_: Callable[[str], Any] = import_module, cards: Path = SOUND_CARDS) -> tuple[Row, ...]:
    """Cameras and microphones with their numbers, as `mer run BUNDLE camera:N` and `microphone:N` take them.

    Args:
        import_: imports sounddevice.
        cards: Linux's list of sound cards, which is asked where PortAudio cannot be.
    """
    return (_cameras(), _microphones(import_, cards))


def _cameras() -> Row:
    found = listed_cameras()
    if found is None:
        said = "this system does not list them: camera:0, camera:1 and so on can be tried"
        return ("live", "cameras", False, "cannot be known without opening them", said)
    return ("live", "cameras", bool(found), ", ".join(found) or "none is connected", "" if found else "connect one")


def _microphones(import_: Callable[[str], Any], cards: Path) -> Row:
    name = "microphones"
    try:
        found = listed_microphones(import_("sounddevice"))
    except ImportError:
        return ("live", name, False, _sound_cards(cards), "pip install 'mer-edge[live]'")
    except OSError as error:
        return ("live", name, False, f"{_sound_cards(cards)}; {error}", PORTAUDIO)
    except Exception as error:  # PortAudio's own, which are of no common kind
        return ("live", name, False, f"PortAudio does not tell ({error}); {_sound_cards(cards)}", "")
    return ("live", name, bool(found), ", ".join(found) or "none is connected", "" if found else "connect one")


def _sound_cards(cards: Path) -> str:
    """What Linux itself says, without the numbers that PortAudio gives."""
    try:
        lines = cards.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "cannot be known without PortAudio"
    names = [line.split(":")[1].strip() for line in lines if "capture" in line and line.count(":") > 1]
    return f"the system lists {', '.join(names)}" if names else "the system lists none"
