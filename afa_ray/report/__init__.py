"""Pages: explanations, figures of a run, and the live page, as HTML that needs no network."""
