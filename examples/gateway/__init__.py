"""What stands behind the gateway of examples/gateway.yaml: three small servers. Step by step: docs/tutorial/gateway.md."""
