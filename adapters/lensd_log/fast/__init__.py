"""The columnar path: lines of one shape read by the thousand. A cache; without it the points are the same."""
