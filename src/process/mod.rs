//! Child processes, each in a group of its own.
