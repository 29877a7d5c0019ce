"""What kind of device a report came from, decided by the computer: nothing in a report can say it.

The facts are where the connection came from and what its request's headers say, which the page does not write, and
what the page found in the browser. A kind is only given where no fact speaks against it, and what is missing speaks
against it; so a malformed report, or one without the facts, can lower the kind and never raise it. It is no
attestation: whoever holds the token and writes a whole false client can have it say anything.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from mer_sdk.contract.device_evidence import DESKTOP, HEADLESS, LOOPBACK, PHONE
from mer_sdk.phone.report import Device

# iPads ask for the pages of desktops, as Macs; a Mac has no touch screen.
_HANDHELD = re.compile(r"Android|iPhone|iPad|iPod|Macintosh")
# `navigator.maxTouchPoints` of phones and tablets; a touch pad counts as none.
TOUCH_POINTS = 2


@dataclass(frozen=True)
class Seen:
    """What the server itself sees of a report's request.

    Attributes:
        address: where the connection comes from.
        host: this computer's address that it came to.
        user_agent: the header; "" for none.
        mobile: the header Sec-CH-UA-Mobile, "?1" or "?0"; "" where the browser sends none.
    """

    address: str
    host: str
    user_agent: str = ""
    mobile: str = ""

    @property
    def from_here(self) -> bool:
        """Whether the other end is this computer: loopback, or the address that it was asked at."""
        try:
            address, host = (ipaddress.ip_address(one.partition("%")[0]) for one in (self.address, self.host))
        except ValueError:
            return True  # what cannot be told apart counts for nothing
        mapped = getattr(address, "ipv4_mapped", None) or address
        return bool(mapped.is_loopback) or mapped == host


def evidence_kind(seen: Seen, device: Device) -> str:
    """`LOOPBACK`, `HEADLESS`, `DESKTOP` or `PHONE`, the first that applies.

    A phone or tablet: the system is Android's, iOS's, or of a Mac with a touch screen, which is an iPad, in the
    header and on the page alike; there are touch points; no client hint says that it is none; no program drives it.
    """
    agents = (seen.user_agent, device.user_agent)
    if seen.from_here:
        return LOOPBACK
    if device.webdriver or any("Headless" in agent for agent in agents):
        return HEADLESS
    # Chrome on Android tablets says that it is not mobile, and names Android nevertheless.
    if not all(_HANDHELD.search(agent) for agent in agents) or device.touch_points < TOUCH_POINTS:
        return DESKTOP
    # A header that contradicts the page, as a report of another browser would.
    if seen.mobile not in ("", "?1" if device.mobile else "?0"):
        return DESKTOP
    return PHONE
