//! Scans: with stand-ins for the scanners, in a job and on a laptop, by hand and in the gate.

mod comments;
mod faults;
mod fetched;
mod gate;
mod images;
mod records;
mod source;
