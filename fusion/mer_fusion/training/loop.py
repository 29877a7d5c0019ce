"""The training loop that every part shares: seeded epochs, checkpoints to resume from, progress with time left.

It runs unchanged on a CPU, on one GPU, and on several under `accelerate launch` or `torchrun`; Accelerate moves the
batches, wraps the modules and averages the gradients.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn

from mer_sdk.cli.progress import progress_bars
from mer_sdk.contract.output_files import atomic_output
from mer_sdk.errors import CheckpointError, OptionError
from mer_sdk.evaluation.runs import save_history


@dataclass(frozen=True)
class LoopOptions:
    """How long and how fast to learn.

    Attributes:
        epochs: passes over the task's training set.
        learning_rate: peak of the schedule: linear warm-up over `warmup_epochs`, cosine to zero.
        weight_decay: AdamW's decoupled decay.
        average: decay of the running average of the weights that is kept as the result (0 = the last weights).
        precision: "bf16" runs the forward pass under autocast where the machine computes it in hardware (elsewhere in
            float32, which is quicker there), weights stay float32; "no" is float32 throughout.
        threads: CPU threads (0 = torch's default).
    """

    epochs: int = 40
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    warmup_epochs: float = 2.0
    clip_norm: float = 2.0
    average: float = 0.99
    precision: str = "bf16"
    seed: int = 0
    threads: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise OptionError(f"{self.epochs} epochs were asked for; give 1 or more")
        if self.precision not in ("no", "bf16"):
            raise OptionError(f"precision {self.precision!r} is unknown; allowed: no, bf16")


class Task(Protocol):
    """What is trained: a module, its batches, its loss and its validation."""

    name: str
    module: nn.Module

    def batches_per_epoch(self) -> int:
        """Batches in one epoch, the same for every epoch."""

    def epoch(self, generator: torch.Generator, shard: tuple[int, int]) -> Iterable[Any]:
        """Batches of one epoch, drawn with the generator alone; `shard` is (index, count) of this process."""

    def loss(self, module: nn.Module, batch: Any) -> Tensor:
        """The scalar loss of a batch, through `module` (which may be wrapped for several processes)."""

    def validate(self, module: nn.Module) -> dict[str, float]:
        """Figures on tuning data; never on the test speakers."""


@dataclass
class History:
    """What happened, epoch by epoch."""

    seconds: float = 0.0
    epochs: list[dict[str, float]] = field(default_factory=list)


class _Average:
    """Exponential running average of a module's weights and buffers."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module = copy.deepcopy(module).eval()
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        self.updates += 1
        # A young average follows the weights closely, so that the random start is forgotten.
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for mine, theirs in zip(self.module.state_dict().values(), module.state_dict().values(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(theirs.to(mine.dtype), 1 - decay)
            else:
                mine.copy_(theirs)


def fit(task: Task, options: LoopOptions, run_dir: Path, quiet: bool = False, validate_every: int = 5) -> History:
    """Train `task.module` in place; afterwards it holds the averaged weights, in evaluation mode.

    A run that was interrupted continues from `run_dir/<task>.pt` and ends with the same weights as one that was not.

    Args:
        run_dir: where state and log are kept; made when missing.

    Raises:
        CheckpointError: the state in `run_dir` belongs to a run with other options.
    """
    if options.threads:
        torch.set_num_threads(options.threads)
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    # Not through Accelerate: it fixes the precision for the whole process, and parts of one run differ in theirs.
    halved = options.precision == "bf16" and computes_bf16(accelerator.device)
    half = torch.autocast(accelerator.device.type, torch.bfloat16, enabled=halved)
    set_seed(options.seed)
    run_dir.mkdir(parents=True, exist_ok=True)
    state_file = run_dir / f"{task.name}.pt"
    steps = task.batches_per_epoch() // accelerator.num_processes
    if steps < 1:
        raise OptionError(f"{task.name}: fewer batches than processes; use fewer processes or smaller batches")
    optimizer = torch.optim.AdamW(_groups(task.module, options.weight_decay), lr=options.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _schedule(options, steps))
    average = _Average(task.module, options.average)
    # The schedule counts this process's steps itself; a prepared one would advance once per process.
    module, optimizer = accelerator.prepare(task.module, optimizer)
    average.module.to(accelerator.device)
    history, start = History(), 0
    signature = json.dumps(asdict(options) | {"task": task.name, "threads": 0}, sort_keys=True)
    if state_file.exists():
        state = torch.load(state_file, map_location=accelerator.device, weights_only=True)
        if state["signature"] != signature:
            raise CheckpointError(
                f"{state_file} is from a run with other options ({state['signature']}); "
                "give another --run-dir, or delete that file to start anew"
            )
        accelerator.unwrap_model(module).load_state_dict(state["module"])
        average.module.load_state_dict(state["average"])
        average.updates = state["updates"]
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        history = History(state["seconds"], state["epochs"])
        start = len(history.epochs)
        torch.set_rng_state(state["rng"].cpu())
    for epoch in range(start, options.epochs):
        begun = time.perf_counter()
        generator = torch.Generator().manual_seed(options.seed * 100_003 + epoch)
        module.train()
        total, count = torch.zeros((), device=accelerator.device), 0
        shard = (accelerator.process_index, accelerator.num_processes)
        with progress_bars(quiet or not accelerator.is_main_process) as advance:
            for index, batch in enumerate(task.epoch(generator, shard)):
                if index >= steps:
                    break
                advance(f"{task.name}: epoch {epoch + 1}/{options.epochs}", index, steps)
                with half:
                    loss = task.loss(module, _to(batch, accelerator.device))
                optimizer.zero_grad()
                accelerator.backward(loss)
                accelerator.clip_grad_norm_(module.parameters(), options.clip_norm)
                optimizer.step()
                schedule.step()
                average.update(accelerator.unwrap_model(module))
                total += loss.detach()
                count += 1
        figures = {"epoch": float(epoch + 1), "loss": float(total) / max(count, 1)}
        if (epoch + 1) % validate_every == 0 or epoch + 1 == options.epochs:
            figures |= task.validate(average.module)
        history.epochs.append(figures)
        history.seconds += time.perf_counter() - begun
        if accelerator.is_main_process:
            _save_state(state_file, accelerator.unwrap_model(module), average, optimizer, schedule, history, signature)
            save_history(run_dir, task.name, history.epochs)
            if not quiet:
                left = history.seconds / (epoch + 1) * (options.epochs - epoch - 1)
                words = "  ".join(f"{key} {value:.4g}" for key, value in figures.items() if key != "epoch")
                print(f"{task.name}: epoch {epoch + 1}/{options.epochs}  {words}  {left:.0f} s left", flush=True)
    task.module = accelerator.unwrap_model(module)
    task.module.load_state_dict(average.module.state_dict())
    task.module.eval()
    return history


def computes_bf16(device: torch.device) -> bool:
    """Whether a device has units for bfloat16: GPUs by their generation, CPUs by AMX or AVX-512 BF16, or Arm's BF16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    known = torch.cpu.get_capabilities()
    return any(known.get(name, False) for name in ("amx_bf16", "avx512_bf16", "bf16"))


def _groups(module: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels alone: biases, norms and gates keep their scale."""
    weights = [p for p in module.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in module.parameters() if p.requires_grad and p.ndim <= 1]
    return [{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]


def _schedule(options: LoopOptions, steps: int) -> Any:
    warmup, total = max(options.warmup_epochs * steps, 1.0), options.epochs * steps

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(total - warmup, 1.0))))

    return factor


def _to(batch: Any, device: torch.device) -> Any:
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {key: _to(value, device) for key, value in batch.items()}
    return batch


def _save_state(
    path: Path,
    module: nn.Module,
    average: _Average,
    optimizer: Any,
    schedule: Any,
    history: History,
    signature: str,
) -> None:
    state = {
        "module": module.state_dict(),
        "average": average.module.state_dict(),
        "updates": average.updates,
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "seconds": history.seconds,
        "epochs": history.epochs,
        "rng": torch.get_rng_state(),
        "signature": signature,
    }
    with atomic_output(path) as aside:
        torch.save(state, aside)
