"""PCM of the types that sound comes in, as floats."""

from __future__ import annotations

import numpy as np

from mer_sdk.errors import SignalError

LOUDEST_FLOAT = 8.0


def as_array(what: str, given: object) -> np.ndarray:
    """What an app gives as an array, or as lists of equal lengths.

    Args:
        what: it is, for messages, such as "PCM".

    Raises:
        SignalError: lists of different lengths, or what numpy takes for no array.
    """
    try:
        return np.asarray(given)
    except (TypeError, ValueError) as error:
        raise SignalError(f"{what} is no array (lists in it differ in length); give a numpy array") from error


def to_float(pcm: np.ndarray, start: int = 0) -> np.ndarray:
    """Float32 samples in [-1, 1], [n] or [n, channels], from PCM.

    Args:
        pcm: [n] or [n, channels]; int16, int32, uint8 (full scale), or floats in [-1, 1]. Floats a little over full
            scale, as lossy decoders give, are clipped.
        start: position of the first sample in the stream, for messages.

    Raises:
        SignalError: another shape or type, a value that is NaN or infinite, or floats far over full scale.
    """
    samples = as_array("PCM", pcm)
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and not 1 <= samples.shape[1] <= 64):
        raise SignalError(f"PCM has shape {samples.shape}; allowed are [samples] and [samples, channels]")
    if samples.dtype == np.int16:
        scaled = samples.astype(np.float32) / 32768.0
    elif samples.dtype == np.int32:
        scaled = (samples / 2147483648.0).astype(np.float32)
    elif samples.dtype == np.uint8:
        scaled = (samples.astype(np.float32) - 128.0) / 128.0
    elif np.issubdtype(samples.dtype, np.floating):
        with np.errstate(over="ignore"):  # what float32 cannot hold is refused as what is not finite
            scaled = samples.astype(np.float32)
        # Not so where there is a NaN.
        if scaled.max(initial=0.0) <= 1.0 and scaled.min(initial=0.0) >= -1.0:
            return scaled
        finite = np.isfinite(scaled if scaled.ndim == 2 else scaled[:, None]).all(axis=1)
        if not finite.all():
            position = start + int(np.argmin(finite))
            raise SignalError(f"PCM sample {position} is not a finite number; check the source, or replace it by 0")
        loudest = float(np.abs(scaled).max(initial=0.0))
        if loudest > LOUDEST_FLOAT:
            raise SignalError(f"float PCM must lie in -1 to 1, found {loudest:g}; divide 16-bit samples by 32768")
    else:
        raise SignalError(f"PCM has type {samples.dtype}; allowed are int16, int32, uint8 and floats")
    return np.clip(scaled, -1.0, 1.0)
