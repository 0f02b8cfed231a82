"""The columnar path: event records of one layout read by the thousand. Without it the points are the same."""
