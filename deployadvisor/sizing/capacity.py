"""From requests a day to requests in flight and tokens a day."""

from __future__ import annotations

import math

from deployadvisor.catalog.workload import planning, traffic_shapes

_SECONDS_PER_HOUR = 3600


def peak_concurrency(
    requests_per_day: float, output_tokens: float, traffic: str | None = None, tpot_ms: float | None = None
) -> int:
    """Requests in flight at the peak, at least 1, by Little's law: arrival rate times time in the system.

    The arrival rate is the day's volume spread over the shape's hours times its peak factor; the time is
    ``output_tokens`` at ``tpot_ms`` (or the planning value). Little (1961), L = lambda W.
    """
    shape = traffic_shapes()[traffic or str(planning("traffic"))]
    seconds_per_token = tpot_ms / 1000 if tpot_ms else float(planning("seconds_per_output_token"))
    arrivals_per_second = requests_per_day / (shape.hours_per_day * _SECONDS_PER_HOUR) * shape.peak_to_average
    return max(1, math.ceil(arrivals_per_second * output_tokens * seconds_per_token))


def tokens_per_day(requests_per_day: float, input_tokens: float, output_tokens: float) -> float:
    """Prompt and answer tokens of a day."""
    return requests_per_day * (input_tokens + output_tokens)


def context_tokens(input_tokens: float, output_tokens: float, limit: int | None = None) -> int:
    """Context to plan when none is given: a multiple of the average request in steps of 1024, within ``limit``."""
    wanted = (input_tokens + output_tokens) * float(planning("context_to_average"))
    planned = max(int(planning("context_tokens")), math.ceil(wanted / 1024) * 1024)
    return min(planned, limit) if limit else planned
