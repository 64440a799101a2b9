"""What a GPU has to show: the same numbers, speed, where the time goes, real runs."""
