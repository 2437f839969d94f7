"""Runs notification scripts when they should run, hands their alerts to the gateway, and remembers why one was not sent."""
