"""Which balancer should I use? Millions of simulated calls, and the pages and plots that are made of them.

``python -m examples.simulate`` plays every scene, prints its table and writes it into the page it belongs to, with its
plots. One seed decides all that is drawn: the pages come out the same to the byte.
"""
