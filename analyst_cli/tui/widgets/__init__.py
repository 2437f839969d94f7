"""Parts of screens. None of them fetches anything."""
