"""How good predictions are, beside baselines; needs NumPy and SciPy only."""
