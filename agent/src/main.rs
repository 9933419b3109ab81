//! `spindle`: the command line, the assembly of the parts, the life of the process.
//!
//! Exit codes: 0 done, 1 a failure at run time, 2 a bad configuration or a wrong use of the command
//! line.

mod cli;
mod commands;
mod components;
mod configuration;
mod embedded;
mod extensions;
mod life;
mod logging;
#[cfg(test)]
mod pages;
mod run_section;
mod runtime;
mod service;
mod service_manager;
mod signals;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

/// Gives memory back after a spike and decodes a quarter faster than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    keep_pages_small();
    let cli = Cli::parse();
    let outcome = match cli.command.clone().unwrap_or(Command::Run) {
        Command::Run => life::run(&cli.options),
        Command::Validate => commands::validate(&cli.options),
        Command::Components { format } => commands::components(format),
        Command::PrintConfig { mode, format, validate } => {
            commands::print_config(&cli.options, mode, format, validate)
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Huge pages would hold eight times the memory that an idle agent needs. The allocator is built not to ask
/// for them; this is for kernels that give them unasked.
fn keep_pages_small() {
    // Where the kernel does not know the call there is nothing lost but memory.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}
