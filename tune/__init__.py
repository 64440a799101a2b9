"""Many runs: searches for good settings, comparisons of methods, and the effect of one setting."""
