"""`mer run`: files, live sources and dialogues; the lines, the live view and the plot."""
