//! hairpin: two people into a WebRTC call from any network.
