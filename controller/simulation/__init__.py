"""Simulation: the same switchboard and distribution under generated or recorded callers, with a clock that jumps.

The third driver beside the live one and the plain replay (`docs/simulation.md`).
"""
