"""What `mer bench` reads of the machine, on recorded trees: temperatures, power, clock, and the board's facts."""

from mer_sdk.bench.result import read_board
from mer_sdk.bench.sensors import Reading, Recorder, Sensors


def tree(root, files):
    """A recorded /sys below `root`."""
    for name, text in files.items():
        path = root / "sys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


JETSON = {
    "class/thermal/thermal_zone0/type": "cpu-thermal",
    "class/thermal/thermal_zone0/temp": "48500",
    "class/thermal/thermal_zone2/type": "gpu-thermal",
    "class/thermal/thermal_zone2/temp": "-256000",
    "class/thermal/thermal_zone10/type": "tj-thermal",
    "class/thermal/thermal_zone10/temp": "51250",
    "class/hwmon/hwmon1/name": "ina3221",
    "class/hwmon/hwmon1/in1_label": "VDD_IN",
    "class/hwmon/hwmon1/in1_input": "5000",
    "class/hwmon/hwmon1/curr1_input": "1200",
    "class/hwmon/hwmon1/in7_label": "sum of shunt voltages",
    "class/hwmon/hwmon1/in7_input": "1",
    "class/hwmon/hwmon1/curr7_input": "9",
    "bus/i2c/drivers/ina3221x/1-0040/iio:device0/rail_name_0": "POM_5V_IN",
    "bus/i2c/drivers/ina3221x/1-0040/iio:device0/in_power0_input": "2875",
    "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1510400",
    "devices/system/cpu/cpu0/cpufreq/scaling_governor": "schedutil",
}
LAPTOP = {
    "class/hwmon/hwmon0/name": "coretemp",
    "class/hwmon/hwmon0/temp1_input": "61000",
    "class/hwmon/hwmon0/temp1_label": "Package id 0",
    "class/hwmon/hwmon2/name": "amdgpu",
    "class/hwmon/hwmon2/power1_average": "15000000",
    "class/powercap/intel-rapl:0/name": "package-0",
    "class/powercap/intel-rapl:0/energy_uj": "1000000",
    "class/powercap/intel-rapl:0/max_energy_range_uj": "9000000",
}


def test_sensors_of_a_jetson(tmp_path):
    sensors = Sensors(tree(tmp_path, JETSON))
    assert sensors.sample() == (
        Reading("cpu-thermal", "temperature", 48.5),
        Reading("tj-thermal", "temperature", 51.25),
        Reading("ina3221 VDD_IN", "power", 6.0),
        Reading("ina3221x POM_5V_IN", "power", 2.875),
        Reading("cpu0", "frequency", 1510.4),
    )
    assert sensors.missing() == ()


def test_power_of_a_laptop_is_the_growth_of_its_energy(tmp_path):
    now = iter([10.0, 12.0, 14.0])
    sensors = Sensors(tree(tmp_path, LAPTOP), clock=lambda: next(now))
    assert sensors.sample() == (
        Reading("coretemp Package id 0", "temperature", 61.0),
        Reading("amdgpu power1", "power", 15.0),
    )
    tree(tmp_path, {"class/powercap/intel-rapl:0/energy_uj": "8000000"})
    assert sensors.sample()[-1] == Reading("RAPL package-0 (0)", "power", 3.5)
    # The counter begins again at 0 after 9 J: 1 J up to there, 2 J from there on.
    tree(tmp_path, {"class/powercap/intel-rapl:0/energy_uj": "2000000"})
    assert sensors.sample()[-1] == Reading("RAPL package-0 (0)", "power", 1.5)


def test_what_is_not_shown_is_said(tmp_path):
    said = Sensors(tmp_path).missing()
    assert [line.partition(":")[0] for line in said] == ["temperature", "power", "clock frequency"]
    # A folder in the place of the file cannot be read either, whoever asks.
    zone = tree(tmp_path, {"class/powercap/intel-rapl:0/name": "package-0"}) / "sys/class/powercap/intel-rapl:0"
    (zone / "energy_uj").mkdir()
    assert "shows it to root alone" in Sensors(tmp_path).missing()[-1]


def test_a_recorder_keeps_the_course_of_every_sensor(tmp_path):
    recorder = Recorder(Sensors(tmp_path), every=0.0)
    for value in (40000, 70000, 55000):
        tree(tmp_path, {"class/thermal/thermal_zone0/temp": value})
        recorder.sample()
    (timeline,) = recorder.timelines()
    assert (timeline.name, timeline.unit, timeline.samples) == ("thermal_zone0", "C", 3)
    assert (timeline.first, timeline.last, timeline.highest, timeline.mean) == (40.0, 55.0, 70.0, 55.0)
    rare = Recorder(Sensors(tmp_path), every=3600.0)
    rare.sample()
    rare.sample()
    assert rare.timelines()[0].samples == 1


def test_facts_of_the_board(tmp_path):
    tree(tmp_path, JETSON)
    (tmp_path / "proc" / "device-tree").mkdir(parents=True)
    (tmp_path / "proc" / "device-tree" / "model").write_text("NVIDIA Jetson Nano\0")
    (tmp_path / "proc" / "cpuinfo").write_text("processor\t: 0\nmodel name\t: ARMv8\n\nmodel name\t: other\n")
    (tmp_path / "proc" / "meminfo").write_text("MemTotal:        4000000 kB\nMemFree: 1 kB\n")
    (tmp_path / "proc" / "loadavg").write_text("0.42 0.3 0.2 1/100 7\n")
    board = read_board(tmp_path)
    assert (board.board, board.cpu, board.governor) == ("NVIDIA Jetson Nano", "ARMv8", "schedutil")
    assert (board.memory_mb, board.load) == (4096.0, 0.42)
    # Where /proc shows no device tree, /sys does.
    (tmp_path / "proc" / "device-tree" / "model").unlink()
    tree(tmp_path, {"firmware/devicetree/base/model": "Raspberry Pi 5\0"})
    assert read_board(tmp_path).board == "Raspberry Pi 5"
    empty = read_board(tmp_path / "nothing")
    assert (empty.board, empty.cpu, empty.memory_mb, empty.load) == ("", "", None, None)
