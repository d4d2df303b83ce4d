"""Figures: service levels under versioned names, other measures, and their Prometheus exposition."""
