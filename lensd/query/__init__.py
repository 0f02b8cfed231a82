"""Questions about the store, answered with numpy columns: pure functions that know no HTTP and no SQL."""
