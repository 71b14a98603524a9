//! The edge to the make program: what a Makefile defines, and where.
