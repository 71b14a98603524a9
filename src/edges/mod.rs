//! One room for each outside system. No edge uses another.

pub mod git;
pub mod github;
pub mod google;
pub mod kube;
pub mod make;
pub mod scanners;
pub mod slack;
pub mod workspace;
