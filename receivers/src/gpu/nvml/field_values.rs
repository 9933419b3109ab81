//! Values that NVML gives by a number and not by a function of their own; all that are wanted in one call.

use nvml_wrapper::Device;
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::structs::device::FieldId;

use super::super::reading::{Field, Values};

/// The function's name in nvml.h.
pub(super) const FUNCTION: &str = "nvmlDeviceGetFieldValues";

/// A value and its number.
pub(super) struct FieldValue {
    /// `NVML_FI_DEV_*`.
    pub(super) id: u32,
    /// What it is here.
    pub(super) field: Field,
    /// How it is to be taken.
    pub(super) meaning: Meaning,
}

/// How a value is to be taken.
pub(super) enum Meaning {
    /// A level. One that is higher is no value but a mark that there is none.
    UpTo(u64),
    /// A count, which begins again at 0 behind the last number of its type.
    Count,
}

/// Asks for values: one answer for each, in their order. An error is about the call as a whole.
pub(super) fn ask(
    device: &Device<'_>,
    wanted: &[&FieldValue],
) -> Result<Vec<Result<SampleValue, NvmlError>>, NvmlError> {
    let ids: Vec<FieldId> = wanted.iter().map(|value| FieldId(value.id)).collect();
    let samples = device.field_values_for(&ids)?;
    let answers = samples.into_iter().map(|sample| sample?.value);
    Ok(answers.map(|answer| answer.map_err(unsupported_if_unknown)).collect())
}

/// The number is all that a value has of arguments: a driver that calls it invalid is older than the value.
fn unsupported_if_unknown(error: NvmlError) -> NvmlError {
    if matches!(error, NvmlError::InvalidArg) { NvmlError::NotSupported } else { error }
}

impl FieldValue {
    /// Puts an answer among the values of a reading, if it is one.
    pub(super) fn put(&self, sample: &SampleValue, counts: &mut Counts, values: &mut Values) {
        let Some(number) = whole(sample) else { return };
        match self.meaning {
            Meaning::UpTo(highest) if number > highest => {}
            Meaning::UpTo(_) => values.set(self.field, number),
            Meaning::Count => values.set(self.field, counts.total(self.field, sample, number)),
        }
    }
}

fn whole(sample: &SampleValue) -> Option<u64> {
    match *sample {
        SampleValue::U32(value) => Some(value.into()),
        SampleValue::U64(value) => Some(value),
        SampleValue::I64(value) => u64::try_from(value).ok(),
        SampleValue::F64(_) => None,
    }
}

/// The running totals of a GPU's counts that the driver keeps in 32 bits.
///
/// A total is right as long as a count passes its end at most once between two readings; by how many
/// times more it did is not to be seen. It starts with what the count stood at.
#[derive(Default)]
pub(super) struct Counts([Option<Total>; Field::COUNT]);

#[derive(Clone, Copy)]
struct Total {
    last: u32,
    total: u64,
}

impl Counts {
    fn total(&mut self, field: Field, sample: &SampleValue, number: u64) -> u64 {
        let known = &mut self.0[field as usize];
        let SampleValue::U32(count) = *sample else {
            *known = None;
            return number;
        };
        let total = known
            .map_or(number, |before| before.total.saturating_add(count.wrapping_sub(before.last).into()));
        *known = Some(Total { last: count, total });
        total
    }
}
