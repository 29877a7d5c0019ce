"""Boards as their kernels show them: recorded /sys, /proc and /etc of Jetsons and Raspberry Pis, made by the tests."""

from mer_sdk.bench.board import board_facts
from mer_sdk.bench.sensors import Reading, Sensors, pmic_readings
from mer_sdk.cli.tables import board as doctor_board
from mer_sdk.cli.tables.board import board_rows, provider_rows

# Orin Nano, JetPack 6: NVIDIA's INA3221 by the kernel's own driver, one zone asleep.
ORIN = {
    "proc/device-tree/model": "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super\0",
    "etc/os-release": 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 22.04.5 LTS"\n',
    "etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, DATE: Wed\n"
    "# KERNEL_VARIANT: oot\n",
    "etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=15W >\nCPU_ONLINE CORE_0 1\n< POWER_MODEL ID=2 NAME=MAXN_SUPER >\n",
    "var/lib/nvpmodel/status": "pmode:0002",
    "var/lib/dpkg/status": "Package: nvidia-jetpack-dev\nStatus: install ok installed\nVersion: 9.9\n\n"
    "Package: nvidia-jetpack\nStatus: install ok installed\nPriority: standard\nVersion: 6.2+b77\n",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal",
    "sys/class/thermal/thermal_zone0/temp": "47843",
    "sys/class/thermal/thermal_zone8/type": "tj-thermal",
    "sys/class/thermal/thermal_zone8/temp": "49125",
    "sys/class/hwmon/hwmon1/name": "ina3221",
    "sys/class/hwmon/hwmon1/in1_label": "VDD_IN",
    "sys/class/hwmon/hwmon1/in1_input": "5072",
    "sys/class/hwmon/hwmon1/curr1_input": "1000",
    "sys/class/hwmon/hwmon1/in2_label": "VDD_CPU_GPU_CV",
    "sys/class/hwmon/hwmon1/in2_input": "5064",
    "sys/class/hwmon/hwmon1/curr2_input": "250",
    "sys/class/hwmon/hwmon1/in3_label": "NC",
    "sys/class/hwmon/hwmon1/in3_input": "5064",
    "sys/class/hwmon/hwmon1/curr3_input": "8",
    "sys/class/hwmon/hwmon1/in7_label": "sum of shunt voltages",
    "sys/class/hwmon/hwmon1/in7_input": "5000",
    "sys/class/hwmon/hwmon1/curr4_input": "1258",
}
# Nano, JetPack 4: NVIDIA's own driver, the zone that always shows 100 degrees, no package nvidia-jetpack.
NANO = {
    "proc/device-tree/model": "NVIDIA Jetson Nano Developer Kit\0",
    "etc/nv_tegra_release": "# R32 (release), REVISION: 7.1, GCID: 29818004, BOARD: t210ref, EABI: aarch64\n",
    "var/lib/nvpmodel/status": "pmode:0001 fmode:quiet",
    "sys/class/thermal/thermal_zone1/type": "CPU-therm",
    "sys/class/thermal/thermal_zone1/temp": "33500",
    "sys/class/thermal/thermal_zone3/type": "PMIC-Die",
    "sys/class/thermal/thermal_zone3/temp": "100000",
    "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/rail_name_0": "POM_5V_IN",
    "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/in_power0_input": "2150",
}
# Pi 4, Raspberry Pi OS: the zone is shown again as a chip, and the firmware's alarm is a chip without a value.
PI_4 = {
    "sys/firmware/devicetree/base/model": "Raspberry Pi 4 Model B Rev 1.4\0",
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal",
    "sys/class/thermal/thermal_zone0/temp": "52095",
    "sys/class/hwmon/hwmon0/name": "cpu_thermal",
    "sys/class/hwmon/hwmon0/temp1_input": "52095",
    "sys/class/hwmon/hwmon0/device/type": "cpu-thermal",
    "sys/class/hwmon/hwmon0/device/temp": "52095",
    "sys/class/hwmon/hwmon1/name": "rpi_volt",
    "sys/class/hwmon/hwmon1/in0_lcrit_alarm": "1",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "600000",
}
# Pi 5: the chip of its I/O controller has a temperature of its own.
PI_5 = PI_4 | {
    "sys/firmware/devicetree/base/model": "Raspberry Pi 5 Model B Rev 1.0\0",
    "sys/class/hwmon/hwmon1/in0_lcrit_alarm": "0",
    "sys/class/hwmon/hwmon2/name": "rp1_adc",
    "sys/class/hwmon/hwmon2/temp1_input": "48250",
    "sys/class/hwmon/hwmon2/in1_input": "1480",
}
PMIC = """\
 3V7_WL_SW_A current(0)=0.09368929A
  VDD_CORE_A current(7)=6.22421000A
      HDMI_A current(22)=0.02417580A
 3V7_WL_SW_V volt(8)=3.69977600V
  VDD_CORE_V volt(15)=0.86173300V
     EXT5V_V volt(24)=5.09066000V
"""
NOT_KNOWN = 'error=1 error_msg="Command not registered"\n'
REFUSED = "Can't open device file: /dev/vcio\nTry creating a device file with: sudo mknod /dev/vcio c 100 0\n"


def recorded(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if name.startswith(("etc", "var", "proc")) else f"{text}\n")
    return root


def test_an_orin_names_jetpack_and_power_mode(tmp_path):
    facts = board_facts(recorded(tmp_path, ORIN))
    assert facts.name == "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super"
    assert (facts.l4t, facts.jetpack, facts.power_mode) == ("36.4.3", "6.2", "MAXN_SUPER")
    assert facts.under_voltage is None
    assert facts.summary == "Ubuntu 22.04.5 LTS, JetPack 6.2 (L4T 36.4.3), power mode MAXN_SUPER"


def test_without_the_package_the_release_gives_the_first_number_of_jetpack(tmp_path):
    facts = board_facts(recorded(tmp_path, NANO))
    assert facts.summary == "JetPack 4 (L4T 32.7.1), power mode 1"
    # A package that was removed leaves its name behind; the release may stand in the database alone.
    (tmp_path / "etc" / "nv_tegra_release").unlink()
    removed = "Package: nvidia-jetpack\nStatus: deinstall ok config-files\nVersion: 4.6-b197\n\n"
    core = "Package: nvidia-l4t-core\nStatus: install ok installed\nVersion: 35.3.1-20230319081403\n"
    recorded(tmp_path, {"var/lib/dpkg/status": removed + core})
    assert (board_facts(tmp_path).l4t, board_facts(tmp_path).jetpack) == ("35.3.1", "5")
    # A release that is newer than this file is named without a JetPack.
    recorded(tmp_path, {"var/lib/dpkg/status": core.replace("35.3.1", "99.0")})
    assert board_facts(tmp_path).summary == "L4T 99.0, power mode 1"


def test_a_machine_that_is_no_board_says_nothing(tmp_path):
    assert board_facts(tmp_path).summary == ""
    assert board_rows(recorded(tmp_path, {"etc/os-release": 'PRETTY_NAME="Debian"\n'})) == ()


def test_rails_of_an_orin_without_the_channel_that_leads_nowhere(tmp_path):
    assert Sensors(recorded(tmp_path, ORIN)).sample() == (
        Reading("cpu-thermal", "temperature", 47.843),
        Reading("tj-thermal", "temperature", 49.125),
        Reading("ina3221 VDD_IN", "power", 5.072),
        Reading("ina3221 VDD_CPU_GPU_CV", "power", 1.266),
    )


def test_a_nanos_constant_zone_is_no_temperature(tmp_path):
    assert Sensors(recorded(tmp_path, NANO)).sample() == (
        Reading("CPU-therm", "temperature", 33.5),
        Reading("ina3221x POM_5V_IN", "power", 2.15),
    )


def test_a_zone_that_is_shown_again_as_a_chip_counts_once(tmp_path):
    sensors = Sensors(recorded(tmp_path, PI_4))
    assert sensors.sample() == (Reading("cpu-thermal", "temperature", 52.095), Reading("cpu0", "frequency", 600.0))
    assert [line for line in sensors.missing() if line.startswith("power")]


def test_rails_of_a_pi_5_come_from_its_power_chip(tmp_path):
    found = Sensors(recorded(tmp_path, PI_5), pmic=lambda: PMIC).sample()
    assert [reading.name for reading in found] == [
        "cpu-thermal",
        "rp1_adc temp1",
        "pmic 3V7_WL_SW",
        "pmic VDD_CORE",
        "cpu0",
    ]
    assert abs(found[3].value - 6.22421 * 0.861733) < 1e-9
    # The supply has volts alone, HDMI amperes alone.
    assert pmic_readings("garbage\n VDD_CORE_A current(7)=x\n") == ()


def test_a_firmware_without_the_command_is_asked_once(tmp_path):
    asked = []

    def answer():
        asked.append(1)
        return NOT_KNOWN

    sensors = Sensors(recorded(tmp_path, PI_4), pmic=answer)
    for _ in range(3):
        sensors.sample()
    assert len(asked) == 1


def test_a_firmware_that_refuses_this_user_is_said(tmp_path):
    said = Sensors(recorded(tmp_path, PI_5), pmic=lambda: REFUSED).missing()
    assert "group video" in said[-1]


def test_doctor_names_board_sensors_and_a_weak_supply(tmp_path):
    rows = board_rows(recorded(tmp_path, PI_4))
    assert [row[:3] for row in rows] == [
        ("board", "Raspberry Pi 4 Model B Rev 1.4", True),
        ("board", "temperature sensors", True),
        ("board", "power sensors", False),
        ("board", "power supply", False),
    ]
    assert rows[2][3].startswith("none here")
    assert rows[3][4] == "a stronger supply, a shorter cable"
    assert board_rows(recorded(tmp_path, PI_5))[-1][2]


def test_doctor_names_the_providers_of_onnx_runtime(monkeypatch):
    rows = provider_rows()
    assert ("provider", "CPUExecutionProvider", True, "used by mer-edge", "") in rows
    # Warnings before the answer, and other providers beside the CPU's.
    answer = "import sys; print('warning'); print('[\"CUDAExecutionProvider\", \"CPUExecutionProvider\"]')"
    monkeypatch.setattr(doctor_board, "_ASK", answer)
    assert [row[1] for row in provider_rows()] == ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert "runs on the CPU" in provider_rows()[0][3]
    monkeypatch.setattr(doctor_board, "_ASK", "import os; os.abort()")
    assert [row[2] for row in provider_rows()] == [False]
