//! Pure: what will run, in which order, and what not and why.
