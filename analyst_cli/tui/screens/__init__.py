"""What fills the terminal: the inbox, scripts, settings, help and small dialogs."""
