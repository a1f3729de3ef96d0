"""How does a mesh file in YAML look in its one layout? `formatted` says it: the same data, the same comments."""
