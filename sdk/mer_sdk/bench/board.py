"""Which board this is, and what its system says of itself, from files below a root folder.

Sources: the device tree's `model` (Devicetree Specification 0.4, 2.3.2), NVIDIA's `/etc/nv_tegra_release`, the dpkg
database, `/etc/nvpmodel.conf` and `/var/lib/nvpmodel/status`, and the kernel's `raspberrypi-hwmon` driver.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")
# Jetson Linux (L4T) release -> JetPack, for images without the package nvidia-jetpack.
JETPACK_OF_L4T = {"32": "4", "34": "5", "35": "5", "36": "6", "38": "7"}


@dataclass(frozen=True)
class BoardFacts:
    """What a board says; "" and None where it does not.

    Attributes:
        name: the device tree's model, such as "Raspberry Pi 5 Model B Rev 1.0"; PCs have none.
        system: name of the system, such as "Debian GNU/Linux 12 (bookworm)".
        l4t: release of Jetson Linux, such as "36.4.3".
        jetpack: version of JetPack, such as "6.2"; only the first number where the release alone is known.
        power_mode: name of nvpmodel's mode on a Jetson, such as "15W"; its number where the name is not known.
        under_voltage: whether a Raspberry Pi's firmware found its supply too weak; the clock is lowered then.
    """

    name: str
    system: str
    l4t: str
    jetpack: str
    power_mode: str
    under_voltage: bool | None

    @property
    def summary(self) -> str:
        """System, JetPack and power mode in one line."""
        jetson = f"JetPack {self.jetpack} (L4T {self.l4t})" if self.jetpack else f"L4T {self.l4t}" if self.l4t else ""
        mode = f"power mode {self.power_mode}" if self.power_mode else ""
        return ", ".join(part for part in (self.system, jetson, mode) if part)


def board_facts(root: Path = ROOT) -> BoardFacts:
    """The facts of this machine; every file may be missing.

    Args:
        root: "/" but for recorded trees.
    """
    l4t = _l4t(root)
    return BoardFacts(
        name=board_name(root),
        system=_system(_text(root / "etc" / "os-release")),
        l4t=l4t,
        jetpack=_jetpack(root, l4t),
        power_mode=_power_mode(root),
        under_voltage=_under_voltage(root),
    )


def board_name(root: Path = ROOT) -> str:
    """The device tree's model, "" where there is none."""
    return _text(root / "proc" / "device-tree" / "model") or _text(
        root / "sys" / "firmware" / "devicetree" / "base" / "model"
    )


def _l4t(root: Path) -> str:
    found = re.search(r"R(\d+) \(release\), REVISION: ([\d.]+)", _text(root / "etc" / "nv_tegra_release"))
    if found:
        return ".".join(found.groups())
    return _installed(root, "nvidia-l4t-core").partition("-")[0]


def _jetpack(root: Path, l4t: str) -> str:
    # 6.2+b77, 5.1.1-b56: what follows is the build.
    package = re.match(r"[\d.]+", _installed(root, "nvidia-jetpack"))
    return package.group() if package else JETPACK_OF_L4T.get(l4t.partition(".")[0], "")


def _power_mode(root: Path) -> str:
    status = re.search(r"pmode:(\d+)", _text(root / "var" / "lib" / "nvpmodel" / "status"))
    if status is None:
        return ""
    number = int(status.group(1))
    names = re.findall(r"<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)\s*>", _text(root / "etc" / "nvpmodel.conf"))
    return next((name for index, name in names if int(index) == number), str(number))


def _under_voltage(root: Path) -> bool | None:
    for name in sorted((root / "sys" / "class" / "hwmon").glob("hwmon*/name")):
        if _text(name) == "rpi_volt":
            alarm = _text(name.parent / "in0_lcrit_alarm")
            return alarm != "0" if alarm else None
    return None


def _system(os_release: str) -> str:
    found = re.search(r'^PRETTY_NAME="?(.*?)"?$', os_release, re.MULTILINE)
    return found.group(1) if found else ""


def _installed(root: Path, package: str) -> str:
    """The version of an installed Debian package, "" where it is not installed."""
    status = root / "var" / "lib" / "dpkg" / "status"
    try:
        with status.open(encoding="utf-8", errors="replace") as file:
            inside = False
            for line in file:
                if line.startswith("Package: "):
                    inside = line.split()[1] == package
                elif inside and line.startswith("Status: ") and not line.rstrip().endswith(" installed"):
                    return ""
                elif inside and line.startswith("Version: "):
                    return line.split()[1]
    except OSError:
        return ""
    return ""


def _text(file: Path) -> str:
    """A small file's text; strings of the device tree end with a zero byte."""
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip("\0 \n")
    except OSError:
        return ""
