//! The TURN server as a state machine without I/O.
