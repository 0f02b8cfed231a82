"""The framework of a workload, from the evidence that its inputs reported."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from lensd.store.reader import Reader
from lensd.wandb.framework import Detection, FrameworkSource, from_log, merged

_FRAMEWORK_SOURCE = msgspec.json.Decoder(FrameworkSource)


def detection(reader: Reader, uid: str) -> Detection | None:
    """All evidence of a workload in one answer; None where there is none."""
    workload = reader.workload(uid)
    if workload is None:
        return None
    sources: list[FrameworkSource] = []
    for fact in reader.input_facts(workload.id):
        if not isinstance(fact.value, str):
            continue
        if fact.name == "detection":
            sources.append(_FRAMEWORK_SOURCE.decode(fact.value))
        elif fact.name == "framework" and fact.adapter == "log":
            detected_at = datetime.fromtimestamp(fact.read_ms / 1000.0, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            sources.append(from_log(fact.value, fact.input_name, detected_at))
    return merged(uid, sources)
