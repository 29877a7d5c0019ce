"""Temperatures, power and clock frequencies where Linux shows them: files below a root folder, and a Raspberry Pi 5's
power chip, which only its firmware's own tool shows.

Sources: the kernel's `Documentation/driver-api/thermal/sysfs-api.rst` (millidegrees), `hwmon/sysfs-interface.rst`
(millidegrees, microwatts, millivolts, milliamperes), `power/powercap/powercap.rst` (RAPL, microjoules),
`hwmon/ina3221.rst`, and NVIDIA's older `ina3221x` driver (milliwatts, Jetson before JetPack 5); the output of
`vcgencmd pmic_read_adc` (amperes and volts by rail, Raspberry Pi 5).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

ROOT = Path("/")
UNITS = {"temperature": "C", "power": "W", "frequency": "MHz"}
# What a zone shows that is switched off, or a sensor that is not connected, is no temperature.
CREDIBLE = (-40.0, 150.0)
# Jetsons up to Xavier list this zone with a constant 100 degrees.
CONSTANT_ZONES = ("PMIC-Die",)
# A channel of a Jetson's INA3221 that leads nowhere is labelled so.
NOT_CONNECTED = "NC"
PMIC_COMMAND = ("vcgencmd", "pmic_read_adc")
PMIC_SECONDS = 2.0


@dataclass(frozen=True)
class Reading:
    """One value. `kind` is "temperature" (degrees Celsius), "power" (W) or "frequency" (MHz)."""

    name: str
    kind: str
    value: float


@dataclass(frozen=True)
class SensorReadings:
    """One sensor over the whole of the measurement; see `Reading` for kind and `UNITS` for the unit."""

    name: str
    kind: str
    unit: str
    samples: int
    first: float
    last: float
    highest: float
    mean: float


class Sensors:
    """The sensors of this machine.

    Args:
        root: the folder that holds "sys" and "proc"; "/" but for recorded trees.
        clock: seconds; RAPL counts energy, and power is its growth between two samples.
        pmic: gives what `vcgencmd pmic_read_adc` prints; None asks it where `root` is "/" and it is installed.
    """

    def __init__(
        self, root: Path = ROOT, clock: Callable[[], float] = monotonic, pmic: Callable[[], str] | None = None
    ) -> None:
        self._sys = root / "sys"
        self._clock = clock
        here = root == ROOT and shutil.which(PMIC_COMMAND[0]) is not None
        self._pmic_text = pmic or (_ask_pmic if here else None)
        self._energy: dict[str, tuple[float, float]] = {}
        self._refused: list[str] = []

    def sample(self) -> tuple[Reading, ...]:
        """All values that can be read now. RAPL's power is there from the second sample on."""
        self._refused = []
        return (*self._thermal(), *self._hwmon(), *self._old_jetson(), *self._pmic(), *self._rapl(), *self._frequency())

    def missing(self) -> tuple[str, ...]:
        """What this machine does not show, one sentence a kind; and what it shows to others, but not to this user."""
        kinds = {reading.kind for reading in self.sample()}
        said = []
        if "temperature" not in kinds:
            said.append("temperature: none here (no thermal zone and no hwmon temperature below /sys/class)")
        if "power" not in kinds and not self._energy:
            said.append("power: none here (no RAPL, hwmon power or INA3221 below /sys, no vcgencmd pmic_read_adc)")
        if "frequency" not in kinds:
            said.append("clock frequency: none here (no cpufreq below /sys/devices/system/cpu)")
        return (*said, *self._refused)

    def _thermal(self) -> Iterator[Reading]:
        for zone in _sorted(self._sys / "class" / "thermal", "thermal_zone*"):
            name = _text(zone / "type") or zone.name
            if name not in CONSTANT_ZONES:
                yield from _temperature(name, _number(zone / "temp"))

    def _hwmon(self) -> Iterator[Reading]:
        for chip in _sorted(self._sys / "class" / "hwmon", "hwmon*"):
            name = _text(chip / "name") or chip.name
            # The kernel shows a thermal zone a second time as a chip, whose device is the zone.
            mirror = (chip / "device" / "temp").exists()
            for file in [] if mirror else _sorted(chip, "temp*_input"):
                yield from _temperature(_labelled(name, chip, file), _number(file))
            for file in (*_sorted(chip, "power*_input"), *_sorted(chip, "power*_average")):
                value = _number(file)
                if value is not None:
                    yield Reading(_labelled(name, chip, file), "power", value / 1e6)
            if name == "ina3221":
                yield from _ina3221(chip)

    def _old_jetson(self) -> Iterator[Reading]:
        for device in _sorted(self._sys / "bus" / "i2c" / "drivers" / "ina3221x", "*/iio:device*"):
            for file in _sorted(device, "in_power*_input"):
                number = re.findall(r"\d+", file.name)[0]
                value = _number(file)
                if value is not None:
                    rail = _text(device / f"rail_name_{number}") or f"rail {number}"
                    yield Reading(f"ina3221x {rail}", "power", value / 1e3)

    def _pmic(self) -> Iterator[Reading]:
        text = self._pmic_text() if self._pmic_text else ""
        yield from pmic_readings(text)
        if "/dev/vcio" in text:
            self._refused.append(
                f"power: {' '.join(PMIC_COMMAND)} may not ask the firmware ({text.strip()}); "
                "add this user to the group video"
            )
        elif not text.strip() or "error" in text:
            # Before the Raspberry Pi 5 the firmware does not know the command: it is not asked again.
            self._pmic_text = None

    def _rapl(self) -> Iterator[Reading]:
        # Zones repeat themselves below their parents: the flat list of class/powercap holds each once.
        for zone in _sorted(self._sys / "class" / "powercap", "intel-rapl*:*"):
            name = f"RAPL {_text(zone / 'name') or ''} ({zone.name.rpartition('rapl')[2].lstrip(':')})"
            file = zone / "energy_uj"
            if not file.exists():
                continue
            now, energy = self._clock(), _number(file)
            if energy is None:
                self._refused.append(f"{name}: {file} cannot be read; since 2020 Linux shows it to root alone")
                continue
            before = self._energy.get(zone.name)
            self._energy[zone.name] = (now, energy)
            if before is not None and now > before[0]:
                grown = energy - before[1]
                if grown < 0:  # the counter began again at 0
                    grown += _number(zone / "max_energy_range_uj") or 0.0
                if grown >= 0:
                    yield Reading(name, "power", grown / 1e6 / (now - before[0]))

    def _frequency(self) -> Iterator[Reading]:
        for core in _sorted(self._sys / "devices" / "system" / "cpu", "cpu[0-9]*"):
            value = _number(core / "cpufreq" / "scaling_cur_freq")
            if value is not None:
                yield Reading(core.name, "frequency", value / 1e3)


class Recorder:
    """Samples now and then, and what became of every sensor.

    Args:
        sensors: what to sample.
        every: least seconds between two samples.
    """

    def __init__(self, sensors: Sensors, every: float = 1.0) -> None:
        self._sensors, self._every = sensors, every
        self._last = float("-inf")
        # name, kind -> samples, first, last, highest, sum: hours of samples must not grow.
        self._found: dict[tuple[str, str], tuple[int, float, float, float, float]] = {}

    def sample(self) -> None:
        """Take a sample, unless the last one is too near."""
        now = monotonic()
        if now - self._last < self._every:
            return
        self._last = now
        for reading in self._sensors.sample():
            key, value = (reading.name, reading.kind), reading.value
            count, first, _, highest, total = self._found.get(key, (0, value, value, value, 0.0))
            self._found[key] = (count + 1, first, value, max(highest, value), total + value)

    def timelines(self) -> tuple[SensorReadings, ...]:
        """Every sensor that gave a value, in the order of `Sensors.sample`."""
        return tuple(
            SensorReadings(
                name, kind, UNITS[kind], n, round(first, 2), round(last, 2), round(top, 2), round(total / n, 2)
            )
            for (name, kind), (n, first, last, top, total) in self._found.items()
        )


def _temperature(name: str, millidegrees: float | None) -> Iterator[Reading]:
    if millidegrees is not None and CREDIBLE[0] <= millidegrees / 1e3 <= CREDIBLE[1]:
        yield Reading(name, "temperature", millidegrees / 1e3)


def _ina3221(chip: Path) -> Iterator[Reading]:
    """Rails of a Jetson: volts times amperes. Channels above 3 are the chip's shunt voltages and their sum."""
    for channel in (1, 2, 3):
        millivolts, milliamperes = _number(chip / f"in{channel}_input"), _number(chip / f"curr{channel}_input")
        rail = _text(chip / f"in{channel}_label") or f"channel {channel}"
        if millivolts is not None and milliamperes is not None and rail != NOT_CONNECTED:
            yield Reading(f"ina3221 {rail}", "power", millivolts * milliamperes / 1e6)


def pmic_readings(text: str) -> tuple[Reading, ...]:
    """The rails in what `vcgencmd pmic_read_adc` prints: volts times amperes, of those that have both.

    A line is `VDD_CORE_A current(7)=6.22421000A` or `VDD_CORE_V volt(15)=0.86173300V`; the numbers in brackets are the
    converter's channels, not the rails'.
    """
    found: dict[str, dict[str, float]] = {"A": {}, "V": {}}
    for rail, unit, value in re.findall(r"^\s*(\w+)_([AV]) \w+\(\d+\)=([\d.]+)[AV]\s*$", text, re.MULTILINE):
        found[unit][rail] = float(value)
    return tuple(
        Reading(f"pmic {rail}", "power", amperes * found["V"][rail])
        for rail, amperes in found["A"].items()
        if rail in found["V"]
    )


def _ask_pmic() -> str:
    """What the command prints, to either stream; "" where it does not answer."""
    try:
        done = subprocess.run(PMIC_COMMAND, capture_output=True, text=True, timeout=PMIC_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr


def _labelled(chip_name: str, chip: Path, file: Path) -> str:
    stem = file.name.rpartition("_")[0]
    return f"{chip_name} {_text(chip / f'{stem}_label') or stem}"


def _sorted(folder: Path, pattern: str) -> list[Path]:
    """Paths in the order of the numbers in their names: zone 10 comes after zone 2."""

    def key(path: Path) -> list[tuple[int, str]]:
        return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.as_posix())]

    return sorted(folder.glob(pattern), key=key)


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        # A sensor that is asleep answers with an error of its own (EAGAIN, ENODATA).
        return None


def _number(file: Path) -> float | None:
    text = _text(file)
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
