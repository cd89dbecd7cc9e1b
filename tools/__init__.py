"""Commands for people who work on kerata."""
