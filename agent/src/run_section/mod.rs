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

    /// The folder of this run's artefacts, if they are wanted.
    pub fn folder(&self) -> Option<RunFolder> {
        let (run, directory) = (self.run.as_ref()?, self.directory.as_deref()?);
        Some(RunFolder::new(&folder_path(directory, &run.id)))
    }
}

impl RunSection {
    /// Makes the run's folder, if one is wanted: the effective configuration and the manifest.
    pub fn write_folder(&self, config: &str, facts: &Facts) -> Result<Option<RunFolder>, String> {
        let (Some(run), Some(folder)) = (self.run(), self.folder()) else { return Ok(None) };
        let manifest = manifest::render(run, &folder.path(), &folder.config_path(), facts);
        folder.write(config, &manifest)?;
        Ok(Some(folder))
    }
}

/// Where the artefacts of a run lie.
pub fn folder_path(directory: &Path, id: &str) -> PathBuf {
    directory.join(id)
}
