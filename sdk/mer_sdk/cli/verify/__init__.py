"""`mer verify`: the command, what it prints, and the child process of --isolated."""
