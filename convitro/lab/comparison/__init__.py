"""Aggregations compared under equal conditions."""
