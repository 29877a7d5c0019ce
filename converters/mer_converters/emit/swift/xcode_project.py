"""The project file of an Xcode project with one app: sources, Core ML packages, local Swift packages."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

_TYPES = {".swift": "sourcecode.swift", ".mlpackage": "folder.mlpackage", ".plist": "text.plist.xml"}


@dataclass(frozen=True)
class XcodeApp:
    """What the app is made of; paths from the project's folder.

    Attributes:
        name: of the app and its target.
        identifier: the bundle identifier.
        compiled: Swift files and Core ML packages.
        info: the Info.plist.
        packages: (folder, product) of local Swift packages.
    """

    name: str
    identifier: str
    compiled: tuple[str, ...]
    info: str
    packages: tuple[tuple[str, str], ...]


def project_file(app: XcodeApp, mark: str) -> str:
    """The text of `project.pbxproj`, for Xcode 15 and newer. The same app gives the same text."""
    objects = [*_files(app), *_packages(app), *_target(app), *_configurations(app)]
    body = "\n".join(f"        {_id(key)} = {_value(fields)};" for key, fields in objects)
    return (
        f"// !$*UTF8*$!\n// {mark}\n{{\n    archiveVersion = 1;\n    classes = {{}};\n    objectVersion = 60;\n"
        f"    objects = {{\n{body}\n    }};\n    rootObject = {_id('project')};\n}}\n"
    )


def _id(key: str) -> str:
    """24 hexadecimal digits, as Xcode has them."""
    return hashlib.sha256(key.encode()).hexdigest()[:24].upper()


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + " ".join(f"{_value(key)} = {_value(item)};" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "( " + " ".join(f"{_value(item)}," for item in value) + " )"
    text = str(value)
    plain = text.replace("_", "").replace(".", "").isalnum() and text.isascii()
    return text if plain else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _files(app: XcodeApp) -> list[tuple[str, dict[str, object]]]:
    found: list[tuple[str, dict[str, object]]] = []
    for path in (*app.compiled, app.info):
        suffix = PurePosixPath(path).suffix
        name = PurePosixPath(path).name
        found.append(
            (
                f"file {path}",
                {
                    "isa": "PBXFileReference",
                    "lastKnownFileType": _TYPES[suffix],
                    "name": name,
                    "path": path,
                    "sourceTree": "SOURCE_ROOT",
                },
            )
        )
    found += [(f"build {path}", {"isa": "PBXBuildFile", "fileRef": _id(f"file {path}")}) for path in app.compiled]
    product: dict[str, object] = {
        "isa": "PBXFileReference",
        "explicitFileType": "wrapper.application",
        "includeInIndex": "0",
        "path": f"{app.name}.app",
        "sourceTree": "BUILT_PRODUCTS_DIR",
    }
    children = [_id(f"file {path}") for path in (*app.compiled, app.info)]
    main: dict[str, object] = {"isa": "PBXGroup", "children": [*children, _id("products")], "sourceTree": "<group>"}
    products: dict[str, object] = {
        "isa": "PBXGroup",
        "children": [_id("product")],
        "name": "Products",
        "sourceTree": "<group>",
    }
    return [*found, ("product", product), ("main", main), ("products", products)]


def _packages(app: XcodeApp) -> list[tuple[str, dict[str, object]]]:
    found: list[tuple[str, dict[str, object]]] = []
    for folder, product in app.packages:
        found += [
            (f"package {folder}", {"isa": "XCLocalSwiftPackageReference", "relativePath": folder}),
            (f"dependency {product}", {"isa": "XCSwiftPackageProductDependency", "productName": product}),
            (f"link {product}", {"isa": "PBXBuildFile", "productRef": _id(f"dependency {product}")}),
        ]
    return found


def _target(app: XcodeApp) -> list[tuple[str, dict[str, object]]]:
    products = [product for _, product in app.packages]
    target: dict[str, object] = {
        "isa": "PBXNativeTarget",
        "buildConfigurationList": _id("target configurations"),
        "buildPhases": [_id("sources"), _id("frameworks")],
        "buildRules": [],
        "dependencies": [],
        "name": app.name,
        "packageProductDependencies": [_id(f"dependency {product}") for product in products],
        "productName": app.name,
        "productReference": _id("product"),
        "productType": "com.apple.product-type.application",
    }
    project: dict[str, object] = {
        "isa": "PBXProject",
        "attributes": {"BuildIndependentTargetsInParallel": "1", "LastUpgradeCheck": "1500"},
        "buildConfigurationList": _id("project configurations"),
        "compatibilityVersion": "Xcode 15.0",
        "developmentRegion": "en",
        "hasScannedForEncodings": "0",
        "knownRegions": ["en", "Base"],
        "mainGroup": _id("main"),
        "packageReferences": [_id(f"package {folder}") for folder, _ in app.packages],
        "productRefGroup": _id("products"),
        "projectDirPath": "",
        "projectRoot": "",
        "targets": [_id("target")],
    }
    return [
        ("sources", _phase("PBXSourcesBuildPhase", [f"build {path}" for path in app.compiled])),
        ("frameworks", _phase("PBXFrameworksBuildPhase", [f"link {product}" for product in products])),
        ("target", target),
        ("project", project),
    ]


def _phase(kind: str, keys: Sequence[str]) -> dict[str, object]:
    return {
        "isa": kind,
        "buildActionMask": "2147483647",
        "files": [_id(key) for key in keys],
        "runOnlyForDeploymentPostprocessing": "0",
    }


def _configurations(app: XcodeApp) -> list[tuple[str, dict[str, object]]]:
    shared = {"IPHONEOS_DEPLOYMENT_TARGET": "16.0", "SDKROOT": "iphoneos", "SWIFT_VERSION": "5.0"}
    own = {
        "CODE_SIGN_STYLE": "Automatic",
        "CURRENT_PROJECT_VERSION": "1",
        "GENERATE_INFOPLIST_FILE": "YES",
        "INFOPLIST_FILE": app.info,
        "MARKETING_VERSION": "1.0",
        "PRODUCT_BUNDLE_IDENTIFIER": app.identifier,
        "PRODUCT_NAME": "$(TARGET_NAME)",
        "TARGETED_DEVICE_FAMILY": "1",
    }
    found: list[tuple[str, dict[str, object]]] = []
    for whose, settings in (("project", shared), ("target", own)):
        names = ("Debug", "Release")
        for name in names:
            level = {"SWIFT_OPTIMIZATION_LEVEL": "-Onone" if name == "Debug" else "-O"} if whose == "project" else {}
            fields: dict[str, object] = {
                "isa": "XCBuildConfiguration",
                "buildSettings": {**settings, **level},
                "name": name,
            }
            found.append((f"{whose} {name}", fields))
        listed: dict[str, object] = {
            "isa": "XCConfigurationList",
            "buildConfigurations": [_id(f"{whose} {name}") for name in names],
            "defaultConfigurationIsVisible": "0",
            "defaultConfigurationName": "Release",
        }
        found.append((f"{whose} configurations", listed))
    return found
