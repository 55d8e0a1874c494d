//! Tickets in, matches out: the waiting room as a state machine without I/O.
