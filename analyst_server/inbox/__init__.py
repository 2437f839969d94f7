"""The log of events that every inbox is."""
