"""The board served on this machine: pages drawn when they are opened, whole volumes, corrections."""
