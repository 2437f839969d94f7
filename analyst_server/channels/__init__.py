"""Other ways to a person beside the inbox: Telegram, and whatever apprise knows. They follow the inbox log and hold nothing up."""
