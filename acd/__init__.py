"""Automatic call distribution (自动话务分配): who waits in what order, and which agent he is offered to."""
