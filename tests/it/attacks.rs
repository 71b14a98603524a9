//! Ways around the gate that worked once, one file each. Each test is the attack.

mod artifacts;
mod git_configuration;
