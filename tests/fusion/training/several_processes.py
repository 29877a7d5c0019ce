"""Run under torchrun by test_launcher.py: every process trains a small task and writes down its weights."""

import os
import sys
from pathlib import Path

import torch

from mer_fusion.training.faces.encoder import FaceLearner, FaceOptions, FaceTask
from mer_fusion.training.loop import LoopOptions, fit

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))
from speech_like import face_set
from test_training import SMALL_FACE

out = Path(sys.argv[1])
torch.manual_seed(0)
task = FaceTask(FaceLearner(SMALL_FACE, 3), face_set(), None, FaceOptions(batch=16))
history = fit(task, LoopOptions(epochs=10, learning_rate=5e-3, precision="no", threads=1), out / "run", quiet=True)
rank = int(os.environ["RANK"])
torch.save({"weights": [p.detach() for p in task.module.parameters()], "loss": history.epochs}, out / f"{rank}.pt")
