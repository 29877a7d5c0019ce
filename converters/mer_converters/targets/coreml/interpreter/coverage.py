"""Which operations of coremltools' operation sets can be computed here."""

from __future__ import annotations

from dataclasses import dataclass

from mer_converters.targets.coreml.interpreter.interpreter import is_known


@dataclass(frozen=True)
class OperationGroup:
    """One group of operations, as coremltools' modules group them: names with and without a way to compute them."""

    name: str
    known: tuple[str, ...]
    unknown: tuple[str, ...]


def operation_groups() -> tuple[OperationGroup, ...]:
    """Every operation of all operation sets from iOS 15 on, sorted by group and name."""
    from mer_converters.targets.coreml.tool import coremltools

    coremltools()  # fills the registry
    from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry

    groups: dict[str, list[str]] = {}
    for name, versions in SSAOpRegistry.core_ops.items():
        first = next(iter(versions.values()))
        groups.setdefault(first.__module__.rsplit(".", 1)[-1], []).append(name)
    return tuple(
        OperationGroup(
            group,
            tuple(sorted(name for name in names if is_known(name))),
            tuple(sorted(name for name in names if not is_known(name))),
        )
        for group, names in sorted(groups.items())
    )
