"""The service mesh as a library."""
