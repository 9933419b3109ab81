//! The targets, one file each: what is fed, and what must hold.

pub mod answers;
pub mod compression;
pub mod config;
pub mod expansion;
pub mod json;
pub mod wire;

use anyhow::Context;

use crate::Target;

/// All of them.
pub static TARGETS: [Target; 6] =
    [wire::TARGET, json::TARGET, config::TARGET, expansion::TARGET, compression::TARGET, answers::TARGET];

/// The target of that name.
pub fn by_name(name: &str) -> anyhow::Result<&'static Target> {
    TARGETS.iter().find(|target| target.name == name).with_context(|| {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        format!("no target {name}; there are {}", names.join(", "))
    })
}
