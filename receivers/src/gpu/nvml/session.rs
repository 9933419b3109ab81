//! A session with NVML, from the library's start to its shutdown.

use std::ffi::OsStr;
use std::sync::Arc;

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};
use tracing::{info, warn};

use super::super::reading::{GpuReading, Health, Identity, Reading, Values};
use super::calls::{CallSet, Way};
use super::config::Selection;
use super::field_values::{self, Counts};
use super::verdict::Verdict;

/// The library's name when the configuration gives no path; the wrapper's default.
const SYSTEM_LIBRARY: &str = "libnvidia-ml.so.1";

/// What to read.
#[derive(Debug)]
pub(super) struct Order {
    /// The receiver's id, for the log.
    pub(super) id: Arc<str>,
    pub(super) calls: CallSet,
    pub(super) selection: Selection,
}

/// What was said in the log already, by this and earlier sessions.
#[derive(Debug, Default)]
pub(super) struct Told {
    forbidden: CallSet,
    barred: Vec<u32>,
    failed: Vec<Arc<Identity>>,
    is_selection_told: bool,
}

/// A loaded and initialised library.
///
/// Dropping it shuts the library down and unloads it. That is why no device handle is kept from one
/// reading to the next: a handle borrows the library, so keeping one would mean never to unload it, and
/// the loader gives back what is loaded already, not the library that came with a new driver.
pub(super) struct Session {
    nvml: Nvml,
    slots: Vec<Slot>,
    driver: Option<String>,
    /// The GPUs of the session before, for one that can no longer say who it is.
    remembered: Vec<Arc<Identity>>,
}

impl Session {
    /// Loads and initialises; the error says in words why not.
    pub(super) fn open(library: Option<&OsStr>, remembered: Vec<Arc<Identity>>) -> Result<Self, String> {
        let path = library.unwrap_or_else(|| SYSTEM_LIBRARY.as_ref());
        let nvml = Nvml::builder().lib_path(path).init().map_err(|error| reason(path, &error))?;
        if nvml.lib().nvmlShutdown.is_err() {
            // Dropping it would panic in the wrapper.
            std::mem::forget(nvml);
            return Err(format!("{} is not NVML: it has no nvmlShutdown", path.display()));
        }
        let count = nvml.device_count().map_err(|error| format!("nvmlDeviceGetCount_v2: {error}"))?;
        if count == 0 {
            return Err("the driver has no GPU".to_owned());
        }
        let driver = nvml.sys_driver_version().ok();
        Ok(Self { nvml, slots: (0..count).map(Slot::new).collect(), driver, remembered })
    }

    /// The driver's version.
    pub(super) fn driver(&self) -> Option<&str> {
        self.driver.as_deref()
    }

    /// How many GPUs the driver has.
    pub(super) fn count(&self) -> usize {
        self.slots.len()
    }

    /// The GPUs that said who they are, now or in the session before.
    pub(super) fn into_identities(self) -> Vec<Arc<Identity>> {
        let mut identities: Vec<Arc<Identity>> =
            self.slots.iter().filter_map(|slot| slot.identity.clone()).collect();
        for old in &self.remembered {
            if !identities.iter().any(|known| known.is_same_gpu(old)) {
                identities.push(Arc::clone(old));
            }
        }
        identities
    }

    /// Reads all GPUs. An error ends the session; the reading holds what there is to tell all the same.
    pub(super) fn read(&mut self, order: &Order, told: &mut Told) -> (Reading, Option<NvmlError>) {
        let mut reading = Reading::default();
        let mut failure = None;
        for index in 0..self.slots.len() {
            match self.read_slot(index, order, told) {
                Ok(Some(answer)) => {
                    reading.errors += answer.errors;
                    failure = answer.failure.or(failure);
                    reading.gpus.push(answer.gpu);
                }
                Ok(None) => {}
                Err(error) => return (Reading::default(), Some(error)),
            }
        }
        self.tell_unknown_names(order, told);
        // One GPU that answers proves that library and driver work together. When none does and it is
        // not their own fault, a new session may help.
        let is_silent = reading.gpus.iter().all(|gpu| gpu.values.is_empty());
        (reading, failure.filter(|_| is_silent))
    }

    fn read_slot(
        &mut self,
        index: usize,
        order: &Order,
        told: &mut Told,
    ) -> Result<Option<Answer>, NvmlError> {
        let Self { nvml, slots, driver, remembered } = self;
        let is_taken = |old: &Identity| {
            slots.iter().filter_map(|slot| slot.identity.as_ref()).any(|known| known.is_same_gpu(old))
        };
        let number = index as u32;
        let fallback = remembered.iter().find(|old| old.index == number && !is_taken(old)).cloned();
        let Some(slot) = slots.get_mut(index) else { return Ok(None) };
        if slot.is_barred || !slot.is_selected(order) {
            return Ok(None);
        }
        let outcome = slot.read(nvml, driver.as_deref(), order, told);
        slot.judge(outcome, fallback, driver.as_deref(), order, told)
    }

    /// Says once which names of the configuration no GPU has.
    fn tell_unknown_names(&self, order: &Order, told: &mut Told) {
        if std::mem::replace(&mut told.is_selection_told, true) {
            return;
        }
        let uuids: Vec<Option<&str>> = self.slots.iter().map(Slot::uuid).collect();
        for name in order.selection.unknown(&uuids) {
            warn!(receiver = %order.id, gpu = %name, "There is no such GPU");
        }
    }
}

fn reason(path: &OsStr, error: &NvmlError) -> String {
    let path = path.display();
    match error {
        NvmlError::LibloadingError(error) => format!("the library cannot be loaded: {error}"),
        NvmlError::FailedToLoadSymbol(error) => format!("{path} is not NVML: {error}"),
        error => format!("nvmlInit_v2: {error}"),
    }
}

/// What is known of one GPU in this session.
struct Slot {
    index: u32,
    identity: Option<Arc<Identity>>,
    /// What it does not have or permit.
    refused: CallSet,
    counts: Counts,
    /// It may not be used at all.
    is_barred: bool,
}

/// A GPU's part of a reading.
struct Answer {
    gpu: GpuReading,
    errors: usize,
    /// One of the errors.
    failure: Option<NvmlError>,
}

impl Slot {
    fn new(index: u32) -> Self {
        Self {
            index,
            identity: None,
            refused: CallSet::default(),
            counts: Counts::default(),
            is_barred: false,
        }
    }

    fn uuid(&self) -> Option<&str> {
        self.identity.as_ref().and_then(|identity| identity.uuid.as_deref())
    }

    fn is_selected(&self, order: &Order) -> bool {
        order.selection.takes(self.index, self.uuid())
    }

    /// Reads everything. An error is about the GPU as a whole, or ends the session.
    fn read(
        &mut self,
        nvml: &Nvml,
        driver: Option<&str>,
        order: &Order,
        told: &mut Told,
    ) -> Result<Option<Answer>, NvmlError> {
        let device = nvml.device_by_index(self.index)?;
        let identity = match &self.identity {
            Some(identity) => Arc::clone(identity),
            None => Arc::clone(self.identity.insert(Arc::new(identify(&device, self.index, driver)?))),
        };
        if !self.is_selected(order) {
            return Ok(None);
        }
        let mut values = Values::default();
        let mut failures = Vec::new();
        for (place, call) in order.calls.without(self.refused).iter() {
            if let Way::Alone(make) = &call.way
                && let Err(error) = make(&device, &mut values)
            {
                failures.extend(self.weigh(CallSet::of(place), call.name, error, order, told)?);
            }
        }
        self.read_together(&device, order, told, &mut values, &mut failures)?;
        let health = if !failures.is_empty() && values.is_empty() { Health::Failed } else { Health::Ok };
        let (errors, failure) = (failures.len(), failures.pop());
        Ok(Some(Answer { gpu: GpuReading { identity, health, values }, errors, failure }))
    }

    /// Reads what is asked for in one call; each value can fail on its own.
    fn read_together(
        &mut self,
        device: &Device<'_>,
        order: &Order,
        told: &mut Told,
        values: &mut Values,
        failures: &mut Vec<NvmlError>,
    ) -> Result<(), NvmlError> {
        let (mut all, mut places, mut wanted) = (CallSet::default(), Vec::new(), Vec::new());
        for (place, call) in order.calls.without(self.refused).iter() {
            if let Way::Together(value) = &call.way {
                all.insert(CallSet::of(place));
                places.push(place);
                wanted.push(value);
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let answers = match field_values::ask(device, &wanted) {
            Ok(answers) => answers,
            Err(error) => {
                failures.extend(self.weigh(all, field_values::FUNCTION, error, order, told)?);
                return Ok(());
            }
        };
        for ((place, value), answer) in places.into_iter().zip(wanted).zip(answers) {
            match answer {
                Ok(sample) => value.put(&sample, &mut self.counts, values),
                Err(error) => {
                    let call = CallSet::of(place);
                    failures.extend(self.weigh(call, field_values::FUNCTION, error, order, told)?);
                }
            }
        }
        Ok(())
    }

    /// What an error of some calls means: the error again when they may succeed the next time, and as an
    /// error when it is about the GPU as a whole or ends the session.
    fn weigh(
        &mut self,
        calls: CallSet,
        name: &str,
        error: NvmlError,
        order: &Order,
        told: &mut Told,
    ) -> Result<Option<NvmlError>, NvmlError> {
        match Verdict::of(&error) {
            Verdict::Lost | Verdict::SessionOver => return Err(error),
            Verdict::Transient => return Ok(Some(error)),
            Verdict::Unsupported => drop(self.refused.insert(calls)),
            Verdict::Forbidden => {
                self.refused.insert(calls);
                if told.forbidden.insert(calls) {
                    warn!(receiver = %order.id, call = name, %error, "A call is not permitted");
                }
            }
        }
        Ok(None)
    }

    /// Turns an error about the GPU as a whole into what is told of it.
    fn judge(
        &mut self,
        outcome: Result<Option<Answer>, NvmlError>,
        fallback: Option<Arc<Identity>>,
        driver: Option<&str>,
        order: &Order,
        told: &mut Told,
    ) -> Result<Option<Answer>, NvmlError> {
        let error = match outcome {
            Ok(Some(answer)) if answer.gpu.health == Health::Ok => {
                told.answers(&answer.gpu.identity, order);
                return Ok(Some(answer));
            }
            Ok(Some(Answer { failure: Some(error), .. })) | Err(error) => error,
            Ok(_) => return Ok(None),
        };
        let is_lost = match Verdict::of(&error) {
            Verdict::SessionOver => return Err(error),
            Verdict::Forbidden => {
                self.is_barred = true;
                told.bars(self.index, &error, order);
                return Ok(None);
            }
            verdict => verdict == Verdict::Lost,
        };
        if is_lost {
            // It comes back with counts that began anew, which are not ones that passed their end.
            self.counts = Counts::default();
        }
        let known = self.identity.clone().or(fallback);
        let identity = known.unwrap_or_else(|| Arc::new(nameless(self.index, driver)));
        told.fails(&identity, &error, order);
        let gpu = GpuReading { identity, health: Health::Failed, values: Values::default() };
        // A GPU that is lost is a fact that was read, not an error of reading.
        let failure = (!is_lost).then_some(error);
        Ok(Some(Answer { gpu, errors: usize::from(!is_lost), failure }))
    }
}

/// Asks a GPU who it is. What it does not have is none; only without its uuid it cannot be told apart.
fn identify(device: &Device<'_>, index: u32, driver: Option<&str>) -> Result<Identity, NvmlError> {
    let uuid = match device.uuid() {
        Ok(uuid) => Some(uuid),
        Err(error) => match Verdict::of(&error) {
            Verdict::Unsupported | Verdict::Forbidden => None,
            _ => return Err(error),
        },
    };
    let model = device.name().ok();
    Ok(Identity { index, uuid, model, serial: device.serial().ok(), driver: driver.map(str::to_owned) })
}

/// A GPU that never said who it is.
fn nameless(index: u32, driver: Option<&str>) -> Identity {
    Identity { index, uuid: None, model: None, serial: None, driver: driver.map(str::to_owned) }
}

impl Told {
    fn answers(&mut self, identity: &Identity, order: &Order) {
        let before = self.failed.len();
        self.failed.retain(|failed| failed.index != identity.index && !failed.is_same_gpu(identity));
        if self.failed.len() < before {
            info!(receiver = %order.id, gpu = name(identity), "A GPU is back");
        }
    }

    fn fails(&mut self, identity: &Arc<Identity>, error: &NvmlError, order: &Order) {
        if !self.failed.iter().any(|failed| failed.is_same_gpu(identity)) {
            warn!(receiver = %order.id, gpu = name(identity), %error, "A GPU does not answer");
            self.failed.push(Arc::clone(identity));
        }
    }

    fn bars(&mut self, index: u32, error: &NvmlError, order: &Order) {
        if !self.barred.contains(&index) {
            warn!(receiver = %order.id, gpu = index, %error, "A GPU may not be read and is left out");
            self.barred.push(index);
        }
    }
}

fn name(identity: &Identity) -> String {
    identity.uuid.clone().unwrap_or_else(|| format!("gpu{}", identity.index))
}
