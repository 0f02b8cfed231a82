"""The framework of a workload, from what its inputs know."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from lensd.store.reader import Reader
from lensd.wandb.framework import Detection, FrameworkSource, from_log, merged

_source = msgspec.json.Decoder(FrameworkSource)


def detection(reader: Reader, uid: str) -> Detection | None:
    """All evidence of a workload in one answer; None where there is none."""
    workload = reader.workload(uid)
    if workload is None:
        return None
    sql = """
        SELECT adapter, input.name, coalesce(last_ok_ms, 0), fact.name, fact.value
        FROM fact JOIN input ON input.id = input_id
        WHERE workload_id = ? AND fact.name IN ('detection', 'framework')"""
    sources: list[FrameworkSource] = []
    for adapter, name, at_ms, fact, value in reader.rows(sql, (workload.id,)):
        told = msgspec.json.decode(str(value))
        if not isinstance(told, str):
            continue
        if fact == "detection":
            sources.append(_source.decode(told))
        elif adapter == "log":
            at = datetime.fromtimestamp(float(str(at_ms)) / 1000.0, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            sources.append(from_log(told, str(name), at))
    return merged(uid, sources)
