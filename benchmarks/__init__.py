"""How fast is it, next to what else there is? ``python -m benchmarks``, or ``make bench ONLY=client``.

A figure is a ratio to a floor measured in the same process, the same round and by the same loop: an empty call for what
is synchronous, a bare ``await`` for what is not. Nanoseconds move by half from minute to minute on a busy machine and
tell little about another one; the ratios hold. `measure` says how they are taken, `rows` what is declared of each line.
"""
