"""What is there to read? Lines of changes and failures, sparingly, and a line for each request."""
