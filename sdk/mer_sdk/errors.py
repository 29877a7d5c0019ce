"""Every error that mer-edge raises on purpose: what was given, what is allowed, what to do next."""


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
    """An option whose value is unknown; the message lists the allowed values."""


class ConversionError(MerError):
    """A conversion that failed or whose artifact does not run; nothing is left behind."""


class CheckpointError(MerError):
    """A checkpoint whose weights and card do not fit together or that cannot be read."""
