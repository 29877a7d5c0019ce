import importlib.metadata
import json
import shutil
from importlib.metadata import EntryPoint

import pytest

import mer_sdk.contract.bundle
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.bundle_files import hash_files
from mer_sdk.contract.manifest import SCHEMA_VERSION
from mer_sdk.errors import BundleError, MissingExtra, OptionError


@pytest.fixture
def copy(tiny_onnx, tmp_path):
    return shutil.copytree(tiny_onnx, tmp_path / "copy.mer")


def edit(bundle, change):
    path = bundle / "manifest.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def test_opens_and_describes_what_is_in_it(tiny_onnx):
    summary = Bundle.open(tiny_onnx).describe()
    assert (summary.name, summary.target, summary.runtime) == ("tiny", "onnx", "onnx")
    assert summary.bytes == sum(path.stat().st_size for path in tiny_onnx.iterdir() if path.name != "manifest.json")
    assert {graph.name: graph.bytes for graph in summary.graphs} == {
        name: (tiny_onnx / f"{name}.onnx").stat().st_size for name in ("audio", "face", "fusion")
    }


@pytest.mark.parametrize("name", ["audio.onnx", "golden.npz", "CARD.md"])
def test_one_changed_byte_is_found_in_any_file(copy, name):
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(bytes(content))
    with pytest.raises(BundleError, match=f"{name} differs from the manifest"):
        Bundle.open(copy)


def test_a_shorter_file_is_found(copy):
    content = (copy / "face.onnx").read_bytes()
    (copy / "face.onnx").write_bytes(content[:-1])
    with pytest.raises(BundleError, match=f"face.onnx differs from the manifest: {len(content) - 1} bytes"):
        Bundle.open(copy)


def test_a_missing_file_is_named(copy):
    (copy / "fusion.onnx").unlink()
    with pytest.raises(BundleError, match=r"fusion\.onnx is listed in the manifest and missing"):
        Bundle.open(copy)


def test_a_newer_schema_is_refused(copy):
    edit(copy, lambda data: data.update(schema_version=SCHEMA_VERSION + 1, a_field_of_the_future=1))
    with pytest.raises(BundleError, match=r"pip install --upgrade mer-edge"):
        Bundle.open(copy)


def test_a_graph_without_a_hash_is_refused(copy):
    edit(copy, lambda data: data.update(files=[f for f in data["files"] if f["path"] != "audio.onnx"]))
    with pytest.raises(BundleError, match=r"audio\.onnx is a graph without a hash"):
        Bundle.open(copy)


def test_paths_that_are_no_bundle(tmp_path):
    with pytest.raises(BundleError, match="does not exist"):
        Bundle.open(tmp_path / "absent.mer")
    with pytest.raises(BundleError, match=r"has no manifest\.json"):
        Bundle.open(tmp_path)
    (tmp_path / "file.mer").write_text("x")
    with pytest.raises(BundleError, match="is a file, not a bundle"):
        Bundle.open(tmp_path / "file.mer")
    (tmp_path / "manifest.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BundleError, match="cannot be read"):
        Bundle.open(tmp_path)


def test_a_packaged_bundle_opens_by_name(tiny_onnx, tmp_path, monkeypatch):
    shutil.copytree(tiny_onnx, tmp_path / "bundles" / "grjca.mer")
    monkeypatch.setattr(mer_sdk.contract.bundle, "__file__", str(tmp_path / "contract" / "bundle.py"))
    assert Bundle.open("grjca").path == tmp_path / "bundles" / "grjca.mer"
    with pytest.raises(BundleError, match="packaged bundles are: grjca"):
        Bundle.open("other")


def test_hashes_cover_files_in_folders(tmp_path):
    (tmp_path / "audio.mlpackage" / "Data").mkdir(parents=True)
    (tmp_path / "audio.mlpackage" / "Data" / "weights.bin").write_bytes(b"abc")
    (tmp_path / "manifest.json").write_text("{}")
    (spec,) = hash_files(tmp_path)
    assert (spec.path, spec.bytes) == ("audio.mlpackage/Data/weights.bin", 3)
    assert spec.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_checkpoint_opens_by_the_entry_point_of_its_suffix(tiny_onnx, tmp_path, monkeypatch):
    manifest = Bundle.open(tiny_onnx).manifest
    path = tmp_path / "model.weights"
    path.write_bytes(b"")
    ready = Bundle(manifest, path, loader=lambda threads: {"fusion": threads})

    class Opener:
        extras = ()

        def load(self):
            return lambda given: ready if given == path else None

    monkeypatch.setattr(
        importlib.metadata,
        "entry_points",
        lambda group, name: [Opener()] if (group, name) == ("mer.openers", "weights") else [],
    )
    opened = Bundle.open(path)
    assert opened is ready
    assert opened.load_graphs(threads=3) == {"fusion": 3}
    with pytest.raises(OptionError, match="is a checkpoint"):
        opened.load_graphs("litert")


def test_a_missing_opener_names_the_extra(tmp_path, monkeypatch):
    path = tmp_path / "model.weights"
    path.write_bytes(b"")
    entry = EntryPoint("weights", "a_package_nobody_has:open_it [train]", "mer.openers")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group, name: [entry])
    with pytest.raises(MissingExtra, match=r"a_package_nobody_has.*pip install 'mer-edge\[train\]'"):
        Bundle.open(path)


def test_a_bundle_without_folder_and_loader_is_refused(tiny_onnx):
    with pytest.raises(BundleError, match="folder or a loader"):
        Bundle(Bundle.open(tiny_onnx).manifest)


def test_a_runtime_of_another_target_is_refused(tiny_onnx):
    bundle = Bundle.open(tiny_onnx)
    with pytest.raises(OptionError, match="does not run onnx files"):
        bundle.load_graphs("litert")
    with pytest.raises(OptionError, match="llowed: coreml, executorch, litert, onnx"):
        bundle.load_graphs("tensorflow")
    with pytest.raises(OptionError, match="threads is 0"):
        bundle.load_graphs(threads=0)
    with pytest.raises(OptionError, match="runtime '' is unknown"):
        bundle.load_graphs("")
    for runtime, said in ((5, "5"), (["x"], "an array"), ([], "an array"), (b"", "a bytes"), (False, "false")):
        with pytest.raises(OptionError, match=f"runtime is {said}; give a runtime's name, such as 'onnx'"):
            bundle.load_graphs(runtime)
