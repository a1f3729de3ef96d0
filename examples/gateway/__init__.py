"""What stands behind the gateway of examples/gateway.yaml: three small servers. How to: docs/tutorial/gateway.md."""
