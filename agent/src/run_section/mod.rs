//! `run:`, Spindle's own section: which run everything belongs to, and where its artefacts lie.
//!
//! There is a run when the section is written or the variable `CONTAINER_RUN_ID` is set, and none
//! otherwise: a Collector's configuration gives the Collector's output. The id is the section's, else
//! the variable's, else generated at each start.

mod config;
mod folder;
mod manifest;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use spindle_config::{Check, Diagnostics, Sections, decode};
use spindle_pipeline::run::{DEFAULT_LABEL, RUN_ID_VARIABLE, Run, Runs, generate_id};

use config::RunConfig;
pub use folder::RunFolder;
pub use manifest::Facts;

/// The run of this process.
#[derive(Clone, Debug, Default)]
pub struct RunSection {
    run: Option<Arc<Run>>,
    directory: Option<PathBuf>,
}

impl RunSection {
    /// Reads and checks the section. `variable` is the environment's run id.
    pub fn read(sections: &Sections<'_>, variable: Option<String>, diagnostics: &mut Diagnostics) -> Self {
        let variable = variable.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty());
        let Some((node, origin)) = sections.run else {
            let run = variable.map(|id| {
                if let Err(message) = config::check_id(&id) {
                    let text = format!("the variable {RUN_ID_VARIABLE}: {message}");
                    diagnostics.push(spindle_config::Diagnostic::error(text));
                }
                Arc::new(Run { label: DEFAULT_LABEL.to_owned(), id, is_overriding: false })
            });
            return Self { run, directory: None };
        };
        let mut config: RunConfig = decode(node, "run", diagnostics).unwrap_or_default();
        if config.id.is_empty() {
            config.id = variable.unwrap_or_else(generate_id);
        }
        config.validate(&mut Check::new(node, "run", Some(origin), diagnostics));
        let directory = (!config.directory.is_empty()).then(|| config.directory.into());
        let run = Run { label: config.label, id: config.id, is_overriding: config.overrides };
        Self { run: Some(Arc::new(run)), directory }
    }

    /// The run, if there is one.
    pub fn run(&self) -> Option<&Run> {
        self.run.as_deref()
    }

    /// Which run something belongs to, for whoever stamps.
    pub fn runs(&self) -> Runs {
        Runs::of_this_process(self.run.clone())
    }

    /// Makes the folder of this run's artefacts, if they are wanted; nothing lies in it yet.
    pub fn make_folder(&self) -> Result<Option<RunFolder>, String> {
        let folder = self.folder();
        folder.as_ref().map_or(Ok(()), RunFolder::make)?;
        Ok(folder)
    }

    fn folder(&self) -> Option<RunFolder> {
        let (run, directory) = (self.run.as_ref()?, self.directory.as_deref()?);
        Some(RunFolder::new(&folder_path(directory, &run.id)))
    }

    /// Writes the effective configuration and the manifest into the run's folder.
    pub fn write_folder(&self, folder: &RunFolder, config: &str, facts: &Facts) -> Result<(), String> {
        let Some(run) = self.run() else { return Ok(()) };
        let manifest = manifest::render(run, &folder.path(), &folder.config_path(), facts);
        folder.write(config, &manifest)
    }
}

/// Where the artefacts of a run lie.
pub fn folder_path(directory: &Path, id: &str) -> PathBuf {
    directory.join(id)
}
