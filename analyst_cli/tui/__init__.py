"""The live inbox, a Textual program. Screens and widgets are told what to show; workers fetch it and post messages."""
