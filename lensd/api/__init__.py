"""HTTP and WebSocket: parse, ask the query layer in a worker thread, encode. No SQL, no file formats."""
