"""How busy a replica would be at most, from the memory bandwidth that decoding needs."""

from __future__ import annotations

from deployadvisor.catalog.overheads import decode_efficiency
from deployadvisor.hardware.machine import Known, Number, Unknown
from deployadvisor.sizing.geometry import Geometry

_SECONDS_PER_DAY = 86_400


def busy_share(
    geometry: Geometry,
    weights_bytes: int,
    bandwidth_gb_s: float | None,
    requests_per_day: float,
    output_tokens: float,
) -> Number:
    """Upper bound of the share of a day that one replica works; above 1 it cannot keep up one request at a time.

    Every output token reads the active weights once: ``requests * tokens * active_bytes / (bandwidth *
    efficiency) / 86400``. Batching serves many requests with one reading, so the true share is lower.
    ``bandwidth_gb_s`` is that of all cards of the replica.
    """
    if not bandwidth_gb_s:
        return Unknown(unknown="the memory bandwidth is not known")
    if not (geometry.total_params and geometry.active_params):
        return Unknown(unknown=f"the active parameters of {geometry.name} are not known")
    efficiency, source = decode_efficiency()
    active_bytes = weights_bytes * geometry.active_params / geometry.total_params
    seconds = requests_per_day * output_tokens * active_bytes / (bandwidth_gb_s * 1e9 * efficiency)
    return Known[float](
        value=seconds / _SECONDS_PER_DAY, source=f"one request at a time at {efficiency:.0%}: {source}"
    )
