"""Matrix factorisation; `gaussian_factors` is its model."""
