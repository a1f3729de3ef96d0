"""A balancer around a balancer."""
