"""What a device pays for `import mer_sdk`: numpy and the standard library."""

import json
import subprocess
import sys

HEAVY = {
    "torch",
    "cv2",
    "scipy",
    "av",
    "typer",
    "rich",
    "matplotlib",
    "onnxruntime",
    "ai_edge_litert",
    "soundfile",
    "PIL",
}


def modules_after(code):
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted({{n.split('.')[0] for n in sys.modules}})))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(result.stdout.splitlines()[-1]))


def test_import_loads_numpy_at_most():
    names = "import mer_sdk; mer_sdk.EmotionSensor, mer_sdk.EmotionEstimate, mer_sdk.Bundle, mer_sdk.PersonalBaseline"
    before = modules_after("pass")
    allowed = set(sys.stdlib_module_names) | {"numpy", "mer_sdk"} | before
    assert modules_after(names) - allowed == set()


def test_running_a_bundle_loads_its_runtime_alone(tiny_tflite):
    code = f"""
import numpy as np
from mer_sdk import EmotionSensor
with EmotionSensor.open({str(tiny_tflite)!r}) as sensor:
    estimates = sensor.push_audio(np.zeros(32000, np.float32), 16000)
assert len(estimates) == 8
"""
    assert modules_after(code) & HEAVY == {"ai_edge_litert"}


def test_public_names():
    import mer_sdk

    names = {"Bundle", "Conversation", "EmotionEstimate", "EmotionSensor", "PersonalBaseline", "UtteranceEstimate"}
    live = {"ConversationOptions", "FaceOptions", "LiveConversation", "LiveOptions", "LiveSensor", "Smoothing"}
    assert set(mer_sdk.__all__) == names | live | {"UtteranceOptions", "VoiceOptions", "__version__"}
    assert all(hasattr(mer_sdk, name) for name in mer_sdk.__all__)
    assert not hasattr(mer_sdk, "Sensor")
