"""Features that papers published, in the layouts of their archives."""
