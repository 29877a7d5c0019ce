"""Every error that mer-edge raises on purpose: what was given, what is allowed, what to do next."""

from __future__ import annotations

from collections.abc import Iterable


class MerError(Exception):
    """Base of all errors with a message meant for the person at the keyboard."""


class BundleError(MerError):
    """A bundle that is missing, incomplete, altered since it was written, or of a newer schema."""


class MediaError(MerError):
    """Audio or video that cannot be read: missing, empty, truncated, or of another type than its name says."""


class SignalError(MerError):
    """Samples or pixels outside the contract: NaN in PCM, a frame of the wrong shape, a sample rate of zero."""


class StreamError(MerError):
    """A live stream that an error has ended, such as one raised by the app's callback; that one is its `__cause__`."""


class DataError(MerError):
    """A data set whose files are missing, empty, truncated or unlabelled; the message names the file."""


class RuntimeUnavailable(MerError):
    """An inference runtime that is not installed or cannot run on this machine; the message names the pip command."""


class MissingExtra(MerError):
    """An optional package that a feature needs; the message names the pip command.

    Args:
        feature: what was asked for, such as "reading video".
        package: the package that is missing.
        extra: the extra of mer-edge that brings it.
    """

    def __init__(self, feature: str, package: str, extra: str) -> None:
        super().__init__(f"{feature} needs {package}, which is not installed: pip install 'mer-edge[{extra}]'")
        self.feature = feature
        self.package = package
        self.extra = extra


class OptionError(MerError):
    """Something that was asked for wrongly, such as an option whose value is unknown; the message lists what is allowed.

    The commands end with exit code 2 for it, and with 1 for every other error.
    """

    @classmethod
    def unknown(cls, what: str, given: str, allowed: Iterable[str]) -> OptionError:
        """The error of a name that is none of those allowed; it offers the nearest.

        Args:
            what: what the name is of, such as "runtime".
            given: what the user wrote.
            allowed: all names, in the order in which they are listed.
        """
        names = tuple(allowed)
        near, listed = did_you_mean(given, names), ", ".join(names) or "none"
        return cls(f"{what} {given!r} is unknown; {f'{near} Allowed' if near else 'allowed'}: {listed}")


class BundleNotFound(BundleError, OptionError):
    """A bundle's path or name that does not exist; the message offers the nearest one."""


class MediaNotFound(MediaError, OptionError):
    """A media file that does not exist."""


class DataNotFound(DataError, OptionError):
    """The folder or file of a data set that does not exist."""


def did_you_mean(given: str, names: Iterable[str]) -> str:
    """"did you mean X?" with the one or two names nearest to what was given; "" where none is near."""
    import difflib

    by_lower = {name.lower(): name for name in names}
    near = difflib.get_close_matches(given.lower(), by_lower, n=2, cutoff=0.6)
    return f"did you mean {' or '.join(by_lower[name] for name in near)}?" if near else ""


class ConversionError(MerError):
    """A conversion that failed or whose artifact does not run; nothing is left behind."""


class CheckpointError(MerError):
    """A checkpoint whose weights and card do not fit together or that cannot be read."""
