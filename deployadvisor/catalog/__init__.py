"""What the world knows: accelerators, models, engines, providers, regulations and prices, as dated facts."""
