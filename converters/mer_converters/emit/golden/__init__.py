"""The golden file of the platforms: a bundle's cases, and what this SDK makes of some input in every stage.

The arrays of the cases have their names of golden.npz. Those of what lies outside the graphs begin with `host_`, where
they hold for one step or one window, and with `stage_`, where they hold for a stage of the pipeline over time.
"""

from __future__ import annotations

from mer_converters.emit.golden import (
    alignment,
    dialogue,
    finder,
    persons,
    profile,
    smoothing,
    sound,
    speaking,
    spoken,
    tracks,
    voice,
)
from mer_converters.emit.golden.cases import cases, finder_cases
from mer_converters.emit.golden.file import pack
from mer_converters.emit.golden.host import ENROL_AT, ENROL_STEPS, host
from mer_converters.emit.source_bundle import SourceBundle

__all__ = ["ENROL_AT", "ENROL_STEPS", "golden_bytes"]


def golden_bytes(source: SourceBundle) -> bytes:
    """The golden file of a bundle. The same bundle gives the same bytes."""
    if source.kind == "finder":
        return pack(finder_cases(source) | finder.stages(source))
    arrays = cases(source) | host(source)
    if source.kind == "dialogue":
        return pack(arrays | dialogue.stages(source) | profile.stages(source) | spoken.stages(source))
    arrays |= alignment.stages(source) | smoothing.stages(source)
    arrays |= profile.stages(source) | persons.stages(source)
    if "audio" in source.modalities:
        arrays |= sound.stages(source) | voice.stages(source)
    if "face" in source.modalities:
        film = tracks.stages(source)
        arrays |= film | speaking.stages(source, film) | tracks.square_stages()
    return pack(arrays)
