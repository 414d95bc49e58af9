"""`status` and `doctor`: probes, then checks of what they found."""
