"""Tickets (工单): what is asked of the administration, by when, and what became of it."""
