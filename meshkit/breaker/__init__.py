"""When to stop asking: the circuit breaker."""

from .circuit_breaker import CircuitBreaker

__all__ = ["CircuitBreaker"]
