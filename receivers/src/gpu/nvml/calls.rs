//! What is asked of the driver for each field.

use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::{Clock, EccCounter, MemoryError, TemperatureSensor};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::sys_exports::field_id::{
    NVML_FI_DEV_MEMORY_TEMP, NVML_FI_DEV_PCIE_COUNT_RX_BYTES, NVML_FI_DEV_PCIE_COUNT_TX_BYTES,
};

use super::super::reading::{Field, FieldSet, Values};
use super::field_values::{FUNCTION, FieldValue, Meaning};

/// What is asked for, which gives one field or several at once.
pub(super) struct Call {
    /// The function's name in nvml.h.
    pub(super) name: &'static str,
    /// The fields that it gives.
    pub(super) gives: FieldSet,
    /// How it is asked for.
    pub(super) way: Way,
}

/// How something is asked for.
pub(super) enum Way {
    /// By a call of its own.
    Alone(fn(&Device<'_>, &mut Values) -> Result<(), NvmlError>),
    /// Together with the others of its kind, in one call.
    Together(FieldValue),
}

/// Some of [`CALLS`], by their place there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CallSet(u32);

impl CallSet {
    /// Those that give at least one of some fields.
    pub(super) fn for_fields(fields: FieldSet) -> Self {
        let indexes = (0..CALLS.len()).filter(|index| CALLS[*index].gives.meets(fields));
        Self(indexes.fold(0, |bits, index| bits | 1 << index))
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The one at a place.
    pub(super) const fn of(index: usize) -> Self {
        Self(1 << index)
    }

    /// Adds some; whether there was a new one.
    pub(super) fn insert(&mut self, other: Self) -> bool {
        let before = self.0;
        self.0 |= other.0;
        self.0 != before
    }

    /// The calls and their places.
    pub(super) fn iter(self) -> impl Iterator<Item = (usize, &'static Call)> {
        CALLS.iter().enumerate().filter(move |(index, _)| self.0 & 1 << index != 0)
    }
}

const fn call(
    name: &'static str,
    gives: &[Field],
    make: fn(&Device<'_>, &mut Values) -> Result<(), NvmlError>,
) -> Call {
    Call { name, gives: FieldSet::of(gives), way: Way::Alone(make) }
}

const fn value(field: Field, id: u32, meaning: Meaning) -> Call {
    let way = Way::Together(FieldValue { id, field, meaning });
    Call { name: FUNCTION, gives: FieldSet::of(&[field]), way }
}

/// What DCGM takes for a temperature that is not there, in °C, is above this.
const HOTTEST_MEMORY: u64 = 200;

/// All of them, at most 32. `nvmlDeviceGetPcieThroughput` is missing on purpose: it measures for 20 ms.
pub(super) static CALLS: [Call; 19] = [
    call(
        "nvmlDeviceGetUtilizationRates",
        &[Field::UtilizationGeneral, Field::UtilizationMemory],
        utilization,
    ),
    call("nvmlDeviceGetEncoderUtilization", &[Field::UtilizationEncoder], |device, values| {
        put(values, Field::UtilizationEncoder, device.encoder_utilization()?.utilization)
    }),
    call("nvmlDeviceGetDecoderUtilization", &[Field::UtilizationDecoder], |device, values| {
        put(values, Field::UtilizationDecoder, device.decoder_utilization()?.utilization)
    }),
    call(
        "nvmlDeviceGetMemoryInfo_v2",
        &[Field::MemoryTotal, Field::MemoryUsed, Field::MemoryFree, Field::MemoryReserved],
        memory,
    ),
    call("nvmlDeviceGetPowerUsage", &[Field::Power], |device, values| {
        put(values, Field::Power, device.power_usage()?)
    }),
    call("nvmlDeviceGetTotalEnergyConsumption", &[Field::Energy], |device, values| {
        put(values, Field::Energy, device.total_energy_consumption()?)
    }),
    call("nvmlDeviceGetTemperature", &[Field::TemperatureGpu], |device, values| {
        put(values, Field::TemperatureGpu, device.temperature(TemperatureSensor::Gpu)?)
    }),
    // NVML has no function for it.
    value(Field::TemperatureMemory, NVML_FI_DEV_MEMORY_TEMP, Meaning::UpTo(HOTTEST_MEMORY)),
    call("nvmlDeviceGetClockInfo", &[Field::ClockGraphics], |device, values| {
        put(values, Field::ClockGraphics, device.clock_info(Clock::Graphics)?)
    }),
    call("nvmlDeviceGetClockInfo", &[Field::ClockSm], |device, values| {
        put(values, Field::ClockSm, device.clock_info(Clock::SM)?)
    }),
    call("nvmlDeviceGetClockInfo", &[Field::ClockMemory], |device, values| {
        put(values, Field::ClockMemory, device.clock_info(Clock::Memory)?)
    }),
    call("nvmlDeviceGetClockInfo", &[Field::ClockVideo], |device, values| {
        put(values, Field::ClockVideo, device.clock_info(Clock::Video)?)
    }),
    call("nvmlDeviceGetPcieReplayCounter", &[Field::PcieReplays], |device, values| {
        put(values, Field::PcieReplays, device.pcie_replay_counter()?)
    }),
    // nvml.h, since driver 555: "PCIe transmit bytes. Value can be wrapped.", and the same of those
    // received: the unit is the byte, seen from the GPU. It does not say behind which number. 32 bits are
    // reported of an A100, and fit what an L40S shows (NVIDIA/dcgm-exporter issue 721).
    value(Field::PcieTransmitted, NVML_FI_DEV_PCIE_COUNT_TX_BYTES, Meaning::Count),
    value(Field::PcieReceived, NVML_FI_DEV_PCIE_COUNT_RX_BYTES, Meaning::Count),
    call("nvmlDeviceGetCurrPcieLinkGeneration", &[Field::PcieLinkGeneration], |device, values| {
        put(values, Field::PcieLinkGeneration, device.current_pcie_link_gen()?)
    }),
    call("nvmlDeviceGetCurrPcieLinkWidth", &[Field::PcieLinkWidth], |device, values| {
        put(values, Field::PcieLinkWidth, device.current_pcie_link_width()?)
    }),
    call("nvmlDeviceGetTotalEccErrors", &[Field::EccCorrected], |device, values| {
        put(
            values,
            Field::EccCorrected,
            device.total_ecc_errors(MemoryError::Corrected, EccCounter::Volatile)?,
        )
    }),
    call("nvmlDeviceGetTotalEccErrors", &[Field::EccUncorrected], |device, values| {
        put(
            values,
            Field::EccUncorrected,
            device.total_ecc_errors(MemoryError::Uncorrected, EccCounter::Volatile)?,
        )
    }),
];

#[allow(clippy::unnecessary_wraps)]
fn put(values: &mut Values, field: Field, value: impl Into<u64>) -> Result<(), NvmlError> {
    values.set(field, value.into());
    Ok(())
}

fn utilization(device: &Device<'_>, values: &mut Values) -> Result<(), NvmlError> {
    let rates = device.utilization_rates()?;
    values.set(Field::UtilizationGeneral, rates.gpu.into());
    values.set(Field::UtilizationMemory, rates.memory.into());
    Ok(())
}

fn memory(device: &Device<'_>, values: &mut Values) -> Result<(), NvmlError> {
    let info = device.memory_info()?;
    values.set(Field::MemoryTotal, info.total);
    values.set(Field::MemoryUsed, info.used);
    values.set(Field::MemoryFree, info.free);
    values.set(Field::MemoryReserved, info.reserved);
    Ok(())
}
