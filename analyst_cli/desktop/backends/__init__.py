"""What the host drives: `fake` (a script), `linux` (X11 and AT-SPI2), behind one interface, `base`."""
