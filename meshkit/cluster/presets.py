"""Which outlier detection is that of another mesh or proxy? Plain functions that return a spec, in their words.

=================  =================================  ====================================================
function           whose                              what is not there
=================  =================================  ====================================================
`app_mesh`         AWS App Mesh, ``outlierDetection``  success rates: only server errors are documented
`nginx`            ``server ... max_fails=``          the lowered weight after a failure
`traefik`          ``passiveHealthCheck``
=================  =================================  ====================================================
"""

from __future__ import annotations

from .outliers import OutlierDetection
from .strikes import Strikes

__all__ = ["app_mesh", "nginx", "traefik"]


def app_mesh(
    *, max_server_errors: int, interval: float, base_ejection_duration: float, max_ejection_percent: float
) -> OutlierDetection:
    """``maxServerErrors``, ``interval`` and ``baseEjectionDuration`` (seconds), ``maxEjectionPercent`` (0 to 100).

    All four are required there. Raises `ConfigError`.
    """
    return OutlierDetection(
        consecutive_5xx=max_server_errors,
        consecutive_gateway=None,
        enforcing_success_rate=0.0,
        interval=interval,
        base_ejection_time=base_ejection_duration,
        max_ejected=max_ejection_percent / 100,
    )


def nginx(max_fails: int = 1, fail_timeout: float = 10.0) -> Strikes | None:
    """``max_fails`` and ``fail_timeout`` (seconds); ``max_fails=0`` counts nothing. Raises `ConfigError`."""
    return Strikes(failures=max_fails, window=fail_timeout) if max_fails else None


def traefik(max_failed_attempts: int = 1, failure_window: float = 10.0) -> Strikes:
    """``maxFailedAttempts`` and ``failureWindow`` (seconds). Raises `ConfigError`."""
    return Strikes(failures=max_failed_attempts, window=failure_window, probe=False)
