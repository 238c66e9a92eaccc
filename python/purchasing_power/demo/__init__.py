"""The end-to-end demo on a year of real shopping."""
