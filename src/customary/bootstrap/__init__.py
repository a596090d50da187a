"""The composition root: joins settings, keys, store and rooms into a server, or a house for a command."""
