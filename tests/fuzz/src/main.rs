//! `spindle-fuzz TARGET|all SECONDS [SEED]` fuzzes; `spindle-fuzz TARGET FILE` checks one input.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use spindle_fuzz::engine::{self, Plan};
use spindle_fuzz::targets::{self, TARGETS};
use spindle_fuzz::{Target, corpus};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, what, seed) = match arguments.as_slice() {
        [name, what] => (name, what, None),
        [name, what, seed] => (name, what, Some(seed.parse().context("a seed is a number")?)),
        _ => bail!("usage: spindle-fuzz TARGET|all SECONDS [SEED], or spindle-fuzz TARGET FILE"),
    };
    let chosen: Vec<&'static Target> = match name.as_str() {
        "all" => TARGETS.iter().collect(),
        name => vec![targets::by_name(name)?],
    };
    for target in chosen {
        match what.parse() {
            Ok(seconds) => fuzz(target, seconds, seed.unwrap_or_else(|| fastrand::u64(..)))?,
            Err(_) => check(target, Path::new(what))?,
        }
    }
    Ok(())
}

fn fuzz(target: &'static Target, seconds: u64, seed: u64) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{}: {seconds} s, seed {seed}", target.name)?;
    let plan = Plan { seed, time: Duration::from_secs(seconds), output: corpus::output() };
    let report = engine::run(target, corpus::read(&corpus::folder(target.name))?, plan)?;
    let engine::Report { executions, kinds, slowest } = report;
    writeln!(out, "{}: {executions} executions, {kinds} kinds, slowest {slowest:?}", target.name)?;
    if let Some(peak) = peak_memory() {
        writeln!(out, "{}: peak memory of the process so far {peak}", target.name)?;
    }
    Ok(())
}

/// One input, without a time to keep, so that a debugger can be used.
fn check(target: &Target, path: &Path) -> anyhow::Result<()> {
    let input = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let kind = (target.check)(&input);
    writeln!(std::io::stdout(), "{}: {} holds, kind {kind:016x}", target.name, path.display())?;
    Ok(())
}

fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    Some(status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().to_owned())
}
