"""What comes of verifying one of several bundles."""

from __future__ import annotations

from dataclasses import dataclass

from mer_sdk.parity.face_finder_golden import FinderVerification
from mer_sdk.parity.verification import Verification


@dataclass(frozen=True)
class Damaged:
    """A bundle that cannot be verified, and why; among several it does not end the command."""

    bundle: str
    reason: str
    passed: bool = False


Verified = Verification | FinderVerification | Damaged
