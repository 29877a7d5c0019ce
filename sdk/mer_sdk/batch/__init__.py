"""Many files: what is to be run, how far it is, and the tables of what was found."""
