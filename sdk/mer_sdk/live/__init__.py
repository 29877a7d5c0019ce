"""Live streams: queues, threads, and the sources that feed them."""
