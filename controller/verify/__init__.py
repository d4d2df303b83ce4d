"""The checker of journals: reads what was written, with rules of its own, and says where a promise was broken."""
