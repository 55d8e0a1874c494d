//! Measures hairpin and its peers: CPU per packet, matching, memory.
