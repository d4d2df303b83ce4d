"""The menu, and what the hotline says: rules for prompts, and the door that builds their sound."""
