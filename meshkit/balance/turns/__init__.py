"""In turn, or by lot: what looks at no load."""
