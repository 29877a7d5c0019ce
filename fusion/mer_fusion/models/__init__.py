"""The fusion networks, one paper a file, each with its losses; import the file that is needed."""
