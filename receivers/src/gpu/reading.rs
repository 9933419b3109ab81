//! One reading of all GPUs: raw numbers in the units of the driver. Names come later.

use std::sync::Arc;

/// A number that is read of a GPU. The unit is the one in which NVML gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Field {
    /// Percent of the last sampling period (1/6 s to 1 s) in which a kernel ran.
    UtilizationGeneral,
    /// Percent of it in which the device's memory was read or written.
    UtilizationMemory,
    /// Percent, video encoders.
    UtilizationEncoder,
    /// Percent, video decoders.
    UtilizationDecoder,
    /// Bytes of device memory there are.
    MemoryTotal,
    /// Bytes allocated, without the reserved ones.
    MemoryUsed,
    /// Bytes free.
    MemoryFree,
    /// Bytes that the driver and the firmware keep for themselves.
    MemoryReserved,
    /// Milliwatts, the whole board; an average of one second on most devices since Ampere.
    Power,
    /// Millijoules since the driver was loaded.
    Energy,
    /// Degrees Celsius, the chip.
    TemperatureGpu,
    /// Degrees Celsius, the device's memory.
    TemperatureMemory,
    /// Megahertz, graphics.
    ClockGraphics,
    /// Megahertz, streaming multiprocessors.
    ClockSm,
    /// Megahertz, memory.
    ClockMemory,
    /// Megahertz, video codecs.
    ClockVideo,
    /// Packets sent again over PCIe since the driver was loaded.
    PcieReplays,
    /// Bytes that the GPU sent over PCIe.
    PcieTransmitted,
    /// Bytes that the GPU received over PCIe.
    PcieReceived,
    /// The generation at which the PCIe link runs now.
    PcieLinkGeneration,
    /// The lanes over which the PCIe link runs now.
    PcieLinkWidth,
    /// Memory errors that ECC corrected since the driver was loaded.
    EccCorrected,
    /// Memory errors that ECC could not correct since the driver was loaded.
    EccUncorrected,
}

impl Field {
    /// How many there are.
    pub const COUNT: usize = Self::EccUncorrected as usize + 1;

    /// Those that only grow as long as the driver is loaded.
    pub const COUNTERS: [Self; 6] = [
        Self::Energy,
        Self::PcieReplays,
        Self::PcieTransmitted,
        Self::PcieReceived,
        Self::EccCorrected,
        Self::EccUncorrected,
    ];
}

/// Some of the fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FieldSet(u32);

impl FieldSet {
    /// None.
    pub const EMPTY: Self = Self(0);

    /// These.
    pub const fn of(fields: &[Field]) -> Self {
        let (mut bits, mut index) = (0, 0);
        while index < fields.len() {
            bits |= 1 << fields[index] as u8;
            index += 1;
        }
        Self(bits)
    }

    /// Whether a field is among them.
    pub const fn contains(self, field: Field) -> bool {
        self.0 & 1 << field as u8 != 0
    }

    /// Whether there is one that both have.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those of either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The numbers of one GPU, each there or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Values {
    available: FieldSet,
    raw: [u64; Field::COUNT],
}

impl Values {
    /// Puts a number there.
    pub const fn set(&mut self, field: Field, value: u64) {
        self.available = self.available.union(FieldSet::of(&[field]));
        self.raw[field as usize] = value;
    }

    /// The number, if it could be read.
    pub const fn get(&self, field: Field) -> Option<u64> {
        if self.available.contains(field) { Some(self.raw[field as usize]) } else { None }
    }

    /// Whether not a single number is there.
    pub const fn is_empty(&self) -> bool {
        self.available.is_empty()
    }
}

/// Who a GPU is. Read once, shared by its readings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The number by which the driver and `nvidia-smi` list it, in the order of the PCI bus.
    pub index: u32,
    /// `GPU-` and a uuid, which stays the same in every machine. `None` for one that could never be asked.
    pub uuid: Option<String>,
    /// The product, `NVIDIA H200`.
    pub model: Option<String>,
    /// The board's serial number; boards for data centres have one.
    pub serial: Option<String>,
    /// The version of the driver.
    pub driver: Option<String>,
}

impl Identity {
    /// Whether both are the same board, whatever driver it runs under.
    pub fn is_same_gpu(&self, other: &Self) -> bool {
        match (&self.uuid, &other.uuid) {
            (Some(one), Some(two)) => one == two,
            (None, None) => self.index == other.index,
            _ => false,
        }
    }
}

/// How a GPU is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// It answers.
    #[default]
    Ok,
    /// It has fallen off the bus, or does nothing before it is reset.
    Failed,
}

/// One GPU in a reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuReading {
    /// Who it is.
    pub identity: Arc<Identity>,
    /// How it is.
    pub health: Health,
    /// What it measured. Nothing of a failed one.
    pub values: Values,
}

/// A reading of all GPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// In the order of their numbers.
    pub gpus: Vec<GpuReading>,
    /// Calls that failed and may succeed the next time.
    pub errors: usize,
}
