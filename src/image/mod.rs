//! Packs a directory into an OCI image, and unpacks one, without Docker.
