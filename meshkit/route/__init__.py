"""Which cluster is a request for, and what is done to it on its way? Routes, matched in order of precedence."""
