"""Protocol P4: dialogues of MELD, as they are said."""
