"""Volume to Volume: resample, window, crop, components, distance."""
