"""The words that policies of two processes say to each other: HTTP fields, read and written. No clock, no wire."""
