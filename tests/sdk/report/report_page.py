"""A page of `mer report` as tests read it, and bundles with what their reports may hold."""

import json
import shutil
from html.parser import HTMLParser

from mer_sdk.contract.bundle_files import hash_files
from mer_sdk.contract.codec import to_json

ALWAYS = {"bundles", "size", "made"}


HOSTILE = '<script>alert("x")</script>&'


VOID = {"meta", "br"}


GATE = {
    "gate": {"state": "passed", "reason": "logits within 0.005"},
    "student_vs_full": "student against the full-precision model: agreement 75.0%",
    "distances": {
        "conversion": {"logits": 1e-6, "sqnr_db": 120.0},
        "quantization": {"logits": 2e-2, "sqnr_db": 33.3},
    },
    "accuracy": {"clips": 70, "answers": 210, "agreement": 0.986, "uar_fp32": 0.82, "uar": 0.83},
}


PROOF = {
    "proof": {
        "audio": {
            "weight_bytes": {"fp32": 250, "int8": 750}, "operations": 4, "int8_operations": 3,
            "float_weights": ["mel"], "float_inputs": [], "macs": 1000, "int8_macs": 600, "int8_share": 0.75,
        },
        "face": {
            "weight_bytes": {"int8": 1000}, "operations": 2, "int8_operations": 2,
            "float_weights": [], "float_inputs": [], "macs": 3000, "int8_macs": 3000, "int8_share": 1.0,
        },
    }
}  # fmt: skip


SENSITIVITY = {"sensitivity": {"fusion": [{"name": "gate.query", "sqnr_db": 17.25}, {"name": "head", "sqnr_db": None}]}}


CONFIDENCE = {
    "confidence": {
        "temperature": 0.81, "temperature_before": 0.7, "abstention_threshold": 0.42, "coverage": 0.9,
        "ece_before": 0.123, "ece": 0.061, "accuracy": 0.86, "accuracy_covered": 0.9, "covered": 0.91, "answers": 210,
    }
}  # fmt: skip


class Page(HTMLParser):
    """A page whose elements are closed in order; ids of its sections, its text, its tags with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.sections, self.text, self.tags, self._open = set(), "", [], []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "section":
            self.sections.add(dict(attrs)["id"])
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if not self._open or self._open[-1] != "style":
            self.text += data + " "


def variant(tiny, folder, name, scheme="fp32", contents=None, **changes):
    """A copy of a bundle under another name, with a report."""
    copy = shutil.copytree(tiny, folder / f"{len(list(folder.iterdir()))}.mer")
    if contents is not None:
        (copy / "report.json").write_text(json.dumps(contents))
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest |= {"name": name, "scheme": scheme, "files": to_json(hash_files(copy)), **changes}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    return copy
