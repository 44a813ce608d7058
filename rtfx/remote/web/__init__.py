"""The page that a running player serves to phones, tablets and browsers."""
