"""The service mesh as a library: policies in front of a call, around one, around any function."""
