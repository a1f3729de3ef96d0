"""Why did a call end as it did? Decision records, the recorders that make them, their story and their journal."""
