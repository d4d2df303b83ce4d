"""Agents (话务员): their states with the one table of moves, and the roster of who is where."""
