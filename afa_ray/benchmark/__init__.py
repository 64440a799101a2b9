"""What training with adversarial feedback costs, measured side by side."""
