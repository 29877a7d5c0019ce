"""What stays outside the graphs: resampling and chunking of audio, finding and cutting out faces."""
