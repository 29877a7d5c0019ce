"""What pages name exists: files, modules, links; and every block says its language."""

import configparser
import importlib
import importlib.util
import json
import re
from importlib.metadata import entry_points

import pytest
import yaml
from pages import ROOT, blocks, name_of, pages, prose

from mer_fusion.checkpoint import shipped_checkpoint
from mer_sdk.contract.bundle_files import file_sha256

LANGUAGES = {"cpp", "html", "ini", "json", "kotlin", "python", "sh", "swift", "text", "ts", "yaml"}
FOLDERS = ("benchmarks", "converters", "demos", "docs", "fusion", "quantization", "sdk", "tests", "tools", "web")
# Written where they are used, not kept in the repository.
MADE = re.compile(r"sdk/mer_sdk/(bundles|phone/page)|web/phone/wheel/.*/page|demos/web/dist|web/sensor/dist")
PAGES = pages()


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < 150


def test_the_readme_names_the_data_of_the_shipped_weights():
    text = (ROOT / "README.md").read_text()
    for card in sorted((ROOT / "fusion" / "mer_fusion" / "checkpoints").glob("*-student.json")):
        for source in json.loads(card.read_text())["data"]:
            name = source["name"].split(" ")[0].rstrip(",")
            assert name in text, f"{card.name} was trained on {source['name']}: say so, with its licence, in README.md"


def test_the_readme_shows_what_the_shipped_weights_say():
    shown = re.search(r"<!-- weights (\w{12}) -->", (ROOT / "README.md").read_text())[1]
    assert file_sha256(shipped_checkpoint("grjca", "student")).startswith(shown), "run benchmarks.results.write_results"


def test_every_block_says_its_language():
    wrong = [str(block) for block in blocks() if block.language not in LANGUAGES]
    assert not wrong


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_paths_exist(page):
    for path in re.findall(rf"(?<![\w/.-])((?:{'|'.join(FOLDERS)})/[\w./*-]*[\w*])", page.read_text()):
        if not MADE.match(path) and page.name != "CHANGELOG.md":
            assert list(ROOT.glob(path)) or (ROOT / path).exists(), f"{name_of(page)} names {path}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[\w-]+)?\)", prose(page.read_text())):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{name_of(page)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_modules_and_names_exist(page):
    text = page.read_text()
    if page.name == "CHANGELOG.md":  # what an older version called new is history
        text = text[text.index("## Unreleased") : text.index("\n## ", text.index("## Unreleased") + 1)]
        text = "\n".join(re.sub(r"^\| `[\w.]+` \|", "|", line) for line in text.splitlines())  # old names are gone
    packages = "mer_sdk|mer_fusion|mer_quantization|mer_converters"
    for name in sorted(set(re.findall(rf"(?<![\w/.])((?:{packages})(?:\.\w+)+)", text))):
        assert _exists(name), f"{name_of(page)} names {name}"


def _exists(name: str) -> bool:
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        module = ".".join(parts[:cut])
        try:
            found = importlib.util.find_spec(module)
        except ModuleNotFoundError:
            continue
        if found is None:
            continue
        source = importlib.import_module(module) if cut < len(parts) else None
        for attribute in parts[cut:]:
            if not hasattr(source, attribute):
                return False
            source = getattr(source, attribute)
        return True
    return False


def test_paths_that_the_code_names_exist():
    """Messages and docstrings send people to docs/...md."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix not in (".py", ".ts", ".sh", ".md", ".mjs") or "node_modules" in path.parts:
                continue
            for named in re.findall(r"docs/[\w/-]+\.(?:md|schema\.json)", path.read_text()):
                assert (ROOT / named).exists(), f"{path.relative_to(ROOT)} names {named}"


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_json_blocks(block):
    json.loads(block.text)


@pytest.mark.parametrize("block", blocks("ini"), ids=str)
def test_ini_blocks(block):
    reader = configparser.ConfigParser(strict=False)
    reader.optionxform = str
    reader.read_string(block.text)
    assert reader.sections()


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_yaml_blocks_run_commands_that_dask_has(block):
    cluster = yaml.safe_load(block.text)
    assert cluster["kind"] == "DaskCluster"
    for part in (cluster["spec"]["worker"], cluster["spec"]["scheduler"]):
        (container,) = part["spec"]["containers"]
        program, name, *options = container["args"]
        (command,) = (one.load() for one in entry_points(group="dask_cli") if one.name == name)
        assert program == "dask"
        known = {option for parameter in command.params for option in parameter.opts}
        assert {option for option in options if option.startswith("--")} <= known


@pytest.mark.parametrize("block", blocks("ts"), ids=str)
def test_typescript_imports_what_is_exported(block):
    exported = (ROOT / "web" / "sensor" / "src" / "index.ts").read_text()
    for names in re.findall(r"import \{([^}]+)\} from \"@mer-edge/web\"", block.text):
        for name in names.split(","):
            assert re.search(rf"\b{name.strip()}\b", exported), name


@pytest.mark.parametrize("block", blocks("cpp", "kotlin", "swift"), ids=str)
def test_native_blocks_call_what_the_code_has(block, tmp_path):
    """Every type that is made and every member that is called stands in the code that --emit writes."""
    from dataclasses import replace

    import tiny_bundle

    from mer_converters.emit import emit
    from mer_sdk.contract.bundle_files import hash_files
    from mer_sdk.contract.golden import save_golden
    from mer_sdk.contract.manifest_file import manifest_to_text

    target = "coreml" if block.language == "swift" else "onnx"
    bundle = tmp_path / f"tiny-{target}.mer"
    bundle.mkdir()
    for name in tiny_bundle.NAMES:
        (bundle / f"{name}.graph").write_bytes(name.encode() * 100)
    graphs = {name: tiny_bundle.TorchGraph(name, network) for name, network in tiny_bundle.networks().items()}
    save_golden(bundle / "golden.npz", tiny_bundle.golden(graphs))
    manifest = replace(tiny_bundle.manifest(target, "graph", bundle), files=hash_files(bundle))
    (bundle / "manifest.json").write_text(manifest_to_text(manifest))
    written = emit(bundle, block.language)
    code = "\n".join(path.read_text() for path in written.rglob("*") if path.suffix in SOURCES)
    for name in native_names(block.text):
        assert re.search(rf"\b{name}\b", code), f"{block}: the code has no {name}"


SOURCES = (".cpp", ".hpp", ".kt", ".swift")
# Of the app or of the language.
APP = {"show", "use", "open", "readBytes", "for", "if", "let", "main", "resourceURL", "Bundle", "span", "rawValue"}


def native_names(text: str) -> set[str]:
    """Names that are called, made, or read as members."""
    named = set(re.findall(r"\b([A-Za-z_]\w*)(?=\(|\s*\{\s*file)", text)) | set(re.findall(r"\.([a-z]\w*)\b", text))
    named |= set(re.findall(r"emotion::(\w+)", text))
    return named - APP - {"hpp", "mer"}
