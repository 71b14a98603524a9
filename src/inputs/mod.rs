//! The one list of inputs, and their parsing.
