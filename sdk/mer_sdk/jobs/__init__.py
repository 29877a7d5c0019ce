"""Work for several processes: on this machine, or on a cluster that is there; one way for every command."""

from mer_sdk.jobs.local import LAST_LINES, LocalWorkers
from mer_sdk.jobs.workers import Say, Workers, completed, processors

__all__ = ["LAST_LINES", "LocalWorkers", "Say", "Workers", "completed", "processors"]
