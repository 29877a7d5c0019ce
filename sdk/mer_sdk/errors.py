"""Every error that mer-edge raises on purpose: what was given, what is allowed, what to do next."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(given: str, allowed: Iterable[str]) -> str:
    """ "; did you mean NAME?" where one of the allowed names is like the given one, else nothing."""
    from difflib import get_close_matches

    names = {name.lower(): name for name in allowed}
    near = get_close_matches(given.lower(), names, n=1, cutoff=0.6)
    return f"; did you mean {names[near[0]]}?" if near and names[near[0]] != given else ""


def counted(number: int, one: str, many: str = "") -> str:
    """A number and what is counted: "1 clip", "5 clips"; `many` where that is not `one` with an s."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def reason_of(error: BaseException) -> str:
    """Why something could not be read or written, as words within a message that names the file by itself."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return getattr(error, "strerror", None) or str(error)


class MerError(Exception):
    """Base of all errors with a message meant for the person at the keyboard.

    Attributes:
        exit_code: of a command that it ends: 2 where it was asked wrongly, or its input cannot be used; 1 where
            something went wrong.
    """

    exit_code = 2


class BundleError(MerError):
    """A bundle that is missing, incomplete, altered since it was written, or of a newer schema."""


class BundleNotFound(BundleError):
    """A bundle's path or name that does not exist."""


class UntrustedBundle(BundleError):
    """A bundle that no trusted key signed, that was changed since, or whose signature has expired."""


class MediaError(MerError):
    """Audio or video that cannot be read: missing, empty, truncated, or of another type than its name says."""


class SignalError(MerError):
    """Samples or pixels outside the contract: NaN in PCM, a frame of the wrong shape, a sample rate of zero."""


class StreamError(MerError):
    """A live stream that an error has ended, such as one raised by the app's callback; that one is its `__cause__`."""

    exit_code = 1


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

    def __reduce__(self) -> tuple[type[MissingExtra], tuple[str, str, str]]:
        return type(self), (self.feature, self.package, self.extra)


class OptionError(MerError):
    """An option whose value is unknown; the message lists the allowed values."""

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
        return cls(f"{what} {given!r} is unknown{near}{' Allowed' if near else '; allowed'}: {listed}")


class ConversionError(MerError):
    """A conversion that failed or whose artifact does not run; nothing is left behind."""

    exit_code = 1


class JobError(MerError):
    """What went wrong in another process and cannot be handed over as it is; the message is its words."""

    exit_code = 1


class WorkerEnded(MerError):
    """A process that was killed or crashed before its job was done, as often as it was tried.

    Args:
        code: how it ended; minus the number of a signal, or None where that is not known, as on a cluster.
        last_lines: of what it wrote.
    """

    exit_code = 1

    def __init__(self, code: int | None = None, last_lines: tuple[str, ...] = ()) -> None:
        known = "" if code is None else f" with code {code}"
        super().__init__(f"the process ended{known} before its work was done: it crashed, was killed, or lacked memory")
        self.code, self.last_lines = code, last_lines

    def __reduce__(self) -> tuple[type[WorkerEnded], tuple[int | None, tuple[str, ...]]]:
        return type(self), (self.code, self.last_lines)


class CheckpointError(MerError):
    """A checkpoint whose weights and card do not fit together or that cannot be read."""
