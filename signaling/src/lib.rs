//! Connections, pairs and wire messages of the signaling relay, without I/O.
