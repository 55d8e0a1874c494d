//! The codec against IANA's tables, against arbitrary bytes, and against another implementation.

mod differential;
mod iana;
mod properties;
