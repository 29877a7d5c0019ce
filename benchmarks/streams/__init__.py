"""What baseline, smoothing and voice activity do to a stream."""
