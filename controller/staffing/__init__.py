"""Staffing (排班): forecast, required agents, shift plan. See docs/staffing.md."""
