"""The desktop bridge:

a host that owns the right to see and drive the desktop, and does it for local clients, guarded and with evidence.
"""
