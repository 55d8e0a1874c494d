//! STUN and TURN message codec: views over bytes and builders into the caller's buffer.
