//! Which file a request goes to: one for all, or one for each value of a resource attribute.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use spindle_config::ComponentId;
use spindle_pipeline::component::Exported;
use spindle_pipeline::error::{Code, ExportError};
use spindle_pipeline::otlp::view::{self, Part, data_points, metric_data, records, scope_groups};
use spindle_pipeline::{Batch, Signal};
use tracing::{info, warn};

use super::config::GroupBy;
use super::names::path_of_segment;
use super::output::{Output, Settings};
use super::record::Layout;

/// All files of an exporter.
pub(super) struct Files {
    exporter: ComponentId,
    layout: Layout,
    target: Target,
    /// The record being written; kept for its memory.
    record: Vec<u8>,
    /// The last attempt failed.
    is_failing: bool,
}

/// Where requests go.
pub(super) enum Target {
    One(Box<Output>),
    Grouped(Groups),
}

/// A file for each value of an attribute.
pub(super) struct Groups {
    prefix: String,
    suffix: String,
    keys: GroupBy,
    settings: Settings,
    /// By path; with each when it was last used.
    open: HashMap<PathBuf, (Output, u64)>,
    uses: u64,
}

/// A record larger than this is not kept for its memory.
const KEPT: usize = 4 << 20;

impl Files {
    pub(super) fn new(exporter: ComponentId, layout: Layout, target: Target) -> Self {
        Self { exporter, layout, target, record: Vec::new(), is_failing: false }
    }

    /// Writes a request.
    pub(super) fn write(&mut self, batch: &Batch) -> Result<Exported, ExportError> {
        let (signal, request) = (batch.signal(), batch.bytes());
        let outcome = match &mut self.target {
            Target::One(output) => {
                self.layout.write(signal, &request, &mut self.record)?;
                output
                    .append(&self.record)
                    .map(|()| Exported::default())
                    .map_err(|error| failed(output.path(), &error))
            }
            Target::Grouped(groups) => groups.write(self.layout, signal, &request, &mut self.record),
        };
        if self.record.capacity() > KEPT {
            self.record = Vec::new();
        }
        self.tell_changes(outcome.as_ref().err());
        outcome
    }

    /// The first failure is told by whoever asked; that it is over is told here.
    fn tell_changes(&mut self, error: Option<&ExportError>) {
        if self.is_failing && error.is_none() {
            info!(exporter = %self.exporter, "files can be written again");
        }
        self.is_failing = error.is_some();
    }

    /// Has the system write everything it was given.
    pub(super) fn sync(&self) {
        let outcome = match &self.target {
            Target::One(output) => output.sync(),
            Target::Grouped(groups) => groups.open.values().try_for_each(|(output, _)| output.sync()),
        };
        if let Err(error) = outcome {
            warn!(exporter = %self.exporter, error = %error, "cannot flush files to disk");
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> ExportError {
    // No other attempt makes a name shorter; everything else can be mended from outside.
    let is_hopeless = error.kind() == io::ErrorKind::InvalidFilename;
    let code = if is_hopeless { Code::FailedPrecondition } else { Code::Unavailable };
    ExportError::new(code, format!("cannot write {}: {error}", path.display()))
}

/// The part of a request that goes to one file.
struct Share {
    path: PathBuf,
    request: Vec<u8>,
}

impl Groups {
    /// Files whose paths are `prefix`, the value of the attribute, `suffix`. They are never emptied: which of
    /// them were written before is not known once they are closed.
    pub(super) fn new(prefix: &str, suffix: &str, keys: &GroupBy, settings: Settings) -> Self {
        Self {
            prefix: prefix.to_owned(),
            suffix: suffix.to_owned(),
            keys: keys.clone(),
            settings,
            open: HashMap::new(),
            uses: 0,
        }
    }

    fn write(
        &mut self,
        layout: Layout,
        signal: Signal,
        request: &[u8],
        record: &mut Vec<u8>,
    ) -> Result<Exported, ExportError> {
        let (shares, homeless) = self.shares(signal, request);
        for share in shares {
            layout.write(signal, &share.request, record)?;
            let output = self.output(&share.path);
            output.append(record).map_err(|error| failed(&share.path, &error))?;
        }
        let mut exported = Exported::default();
        if homeless > 0 {
            exported.rejected_items = homeless as u64;
            exported.message =
                format!("resources without the attribute {} have no file", self.keys.resource_attribute);
        }
        Ok(exported)
    }

    /// The resource groups of a request by the file they go to, and how many items have none.
    fn shares(&self, signal: Signal, request: &[u8]) -> (Vec<Share>, usize) {
        let mut shares: Vec<Share> = Vec::new();
        let mut homeless = 0;
        for group in view::resource_groups(request) {
            let Some(value) = self.value(group) else {
                homeless += count_items(signal, group);
                continue;
            };
            let path = path_of_segment(&self.prefix, value, &self.suffix);
            // A whole group is a request of its own, and one behind the other are a request as well.
            match shares.iter_mut().find(|share| share.path == path) {
                Some(share) => share.request.extend_from_slice(group.whole()),
                None => shares.push(Share { path, request: group.whole().to_vec() }),
            }
        }
        (shares, homeless)
    }

    fn value<'a>(&self, group: Part<'a>) -> Option<&'a str> {
        let name = &self.keys.resource_attribute;
        view::resource_attributes(group).find(|attribute| attribute.key == name)?.value.as_str()
    }

    /// The file of a path, opened if need be; the one that was not used for longest is closed instead.
    fn output(&mut self, path: &Path) -> &mut Output {
        self.uses += 1;
        if !self.open.contains_key(path) && self.open.len() >= self.keys.max_open_files {
            let oldest = self.open.iter().min_by_key(|(_, (_, used))| *used).map(|(path, _)| path.clone());
            if let Some(oldest) = oldest {
                self.open.remove(&oldest);
            }
        }
        let (settings, uses) = (self.settings, self.uses);
        let entry = self
            .open
            .entry(path.to_owned())
            .or_insert_with(|| (Output::new(path.to_owned(), false, settings), uses));
        entry.1 = uses;
        &mut entry.0
    }
}

fn count_items(signal: Signal, group: Part<'_>) -> usize {
    let records = scope_groups(group).flat_map(records);
    match signal {
        Signal::Metrics => records.filter_map(metric_data).flat_map(data_points).count(),
        Signal::Traces | Signal::Logs => records.count(),
    }
}
