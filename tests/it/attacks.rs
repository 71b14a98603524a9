//! Ways around the gate that worked once, one file each. Each test is the attack.

mod git_configuration;
