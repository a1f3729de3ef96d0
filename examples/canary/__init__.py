"""A canary without a proxy: the shop of docs/tutorial/canary.md, and a mesh file to copy."""
