"""The client side of `analyst`: command line, live inbox, desktop bridge."""

__version__ = "0.1.0"  # a constant: reading it from the installed metadata costs 32 ms at every start
