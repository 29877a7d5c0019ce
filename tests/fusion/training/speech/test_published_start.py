"""The published speech embedding as the start of an audio encoder."""

import itertools
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from speech_like import speech_set
from torch import nn
from torch.nn import functional as F

from mer_fusion.encoders.audio import AudioEncoder, AudioEncoderConfig
from mer_fusion.training.speech.encoder import encoded_steps
from mer_fusion.training.speech.speech_embedding import (
    begin,
    begin_from_published,
    published_layers,
    read_published,
    sample_chunks,
)
from mer_sdk.errors import DataError, OptionError

CONFIG = AudioEncoderConfig(
    frames=64, level="chunk", backbone="speech_embedding", channels=(4, 6), blocks=(1, 1), features=5
)
SHAPES = [(4, 1, 3, 3), (4, 4, 1, 3), (4, 4, 3, 1), (6, 4, 1, 3), (6, 6, 3, 1)]


def published_file(folder: Path, layers: int = 19) -> Path:
    """A network with convolutions of the shapes of `CONFIG`, then others, as ONNX."""
    drawn = np.random.default_rng(0)
    nodes, held = [], []
    for number in range(layers):
        shape = SHAPES[min(number, len(SHAPES) - 1)]
        fan = np.sqrt(np.prod(shape[1:]))
        held.append(numpy_helper.from_array((drawn.standard_normal(shape) / fan).astype(np.float32), f"w{number}"))
        held.append(numpy_helper.from_array(drawn.standard_normal(shape[0]).astype(np.float32) * 0.1, f"b{number}"))
        nodes.append(helper.make_node("Conv", [f"x{number}", f"w{number}", f"b{number}"], [f"x{number + 1}"]))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("x0", f"x{layers}")]
    path = folder / "embedding_model.onnx"
    onnx.save(helper.make_model(helper.make_graph(nodes, "published", ends[:1], ends[1:], held)), str(path))
    return path


def test_layers_are_read_from_a_file_or_its_folder(tmp_path: Path) -> None:
    path = published_file(tmp_path)
    found, same = read_published(path), read_published(tmp_path)
    assert [tuple(kernel.shape) for kernel in found.kernels[:5]] == SHAPES
    assert torch.equal(found.kernels[4], same.kernels[4])
    assert len(found.biases) == 19


def test_layers_are_read_from_the_wheel(tmp_path: Path) -> None:
    path = published_file(tmp_path)
    with zipfile.ZipFile(tmp_path / "package.whl", "w") as wheel:
        wheel.write(path, "package/models/embedding_model.onnx")
    assert torch.equal(read_published(tmp_path / "package.whl").kernels[4], read_published(path).kernels[4])
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as wheel:
        wheel.writestr("package/__init__.py", "")
    with pytest.raises(DataError, match=r"holds no embedding_model\.onnx"):
        read_published(tmp_path / "other.whl")


def test_the_published_network_is_one_of_the_data_sets(tmp_path: Path) -> None:
    path = published_file(tmp_path)
    found, others = published_layers([f"speech_embedding:{path}", "nemo:x"])
    assert found is not None
    assert others == ["nemo:x"]
    assert published_layers(["nemo:x"]) == (None, ["nemo:x"])
    with pytest.raises(OptionError, match="once"):
        published_layers([f"speech_embedding:{path}"] * 2)


def test_without_it_the_encoder_stays_as_drawn_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    encoder = AudioEncoder(CONFIG)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    begin(encoder, None, speech_set(clips=4))
    assert "begins at random" in capsys.readouterr().out
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"openwakeword 0\.5\.1"):
        read_published(tmp_path)
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(DataError, match="cannot be read as ONNX"):
        read_published(tmp_path / "text.onnx")
    with pytest.raises(DataError, match="19 convolutions"):
        read_published(published_file(tmp_path, layers=3))


def test_the_start_has_the_published_kernels_and_the_moments_of_the_published_network(tmp_path: Path) -> None:
    published = read_published(published_file(tmp_path))
    torch.manual_seed(0)
    encoder = AudioEncoder(CONFIG)
    chunks = sample_chunks(speech_set(clips=40, seconds=2.0), CONFIG.frames)
    begin_from_published(encoder, published, chunks)
    kernels = [layer.weight for layer in encoder.backbone if isinstance(layer, nn.Conv2d)]
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(kernels, published.kernels[:5], strict=True))
    # The first convolution's channels come out with the mean and deviation that the published network has there.
    with torch.no_grad():
        spectra = encoder.spectrum(encoder.bands(chunks))[:, None]
        theirs = (spectra - spectra.mean()) / (np.log(10) * 0.25) + 9
        theirs = F.conv2d(theirs, published.kernels[0], published.biases[0], padding=(0, 1))
        mine = encoder.backbone[:2](spectra)
    assert torch.allclose(mine.mean(dim=(0, 2, 3)), theirs.mean(dim=(0, 2, 3)), atol=0.05)
    assert torch.allclose(mine.std(dim=(0, 2, 3)), theirs.std(dim=(0, 2, 3)), rtol=0.02)
    pooled = encoder.pooled_values(encoder.backbone(spectra))
    assert encoder.standardise(pooled).mean(dim=0).abs().max() < 1e-3


def test_layers_of_other_shapes_are_refused(tmp_path: Path) -> None:
    wide = AudioEncoderConfig(
        frames=64, level="chunk", backbone="speech_embedding", channels=(8, 6), blocks=(1, 1), features=5
    )
    published = read_published(published_file(tmp_path))
    with pytest.raises(DataError, match="convolution 1"):
        begin_from_published(AudioEncoder(wide), published, torch.zeros(3, 64, 64))


@pytest.mark.parametrize("stride", [1, 3, 4, 6, 8])
def test_encoded_steps_hold_one_of_the_newest_four(stride: int) -> None:
    drawn = [encoded_steps(16, stride, torch.Generator().manual_seed(seed)).tolist() for seed in range(40)]
    assert all(steps[-1] >= 12 for steps in drawn)
    assert all(later - earlier == stride for steps in drawn for earlier, later in itertools.pairwise(steps))
    assert {steps[-1] for steps in drawn} == set(range(16 - min(stride, 4), 16))
    assert all(steps[0] < stride for steps in drawn)
