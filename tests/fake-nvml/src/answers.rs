//! What each call answers, and how often it was made.

use crate::script::code_named;

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A number in NVML's unit.
    Value(u64),
    /// So much more than the answer before.
    Step(u64),
    /// A text.
    Text(String),
    /// A return code; `SUCCESS` of a number is 0.
    Code(u32),
    /// No answer until the script changes.
    Hang,
}

macro_rules! keys {
    ($($key:ident = $name:literal,)*) => {
        /// What can be asked for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Key { $($key,)* }

        const KEYS: &[(Key, &str)] = &[$((Key::$key, $name),)*];
    };
}

keys! {
    Init = "init",
    Shutdown = "shutdown",
    Count = "count",
    Driver = "driver",
    Handle = "handle",
    Name = "name",
    Uuid = "uuid",
    Serial = "serial",
    UtilizationGpu = "utilization.gpu",
    UtilizationMemory = "utilization.memory",
    UtilizationEncoder = "utilization.encoder",
    UtilizationDecoder = "utilization.decoder",
    MemoryTotal = "memory.total",
    MemoryUsed = "memory.used",
    MemoryFree = "memory.free",
    MemoryReserved = "memory.reserved",
    Power = "power",
    Energy = "energy",
    TemperatureGpu = "temperature.gpu",
    TemperatureMemory = "temperature.memory",
    ClockGraphics = "clock.graphics",
    ClockSm = "clock.sm",
    ClockMemory = "clock.memory",
    ClockVideo = "clock.video",
    PcieReplays = "pcie.replays",
    PcieTransmitted = "pcie.transmitted",
    PcieReceived = "pcie.received",
    PcieGeneration = "pcie.generation",
    PcieWidth = "pcie.width",
    EccCorrected = "ecc.corrected",
    EccUncorrected = "ecc.uncorrected",
}

/// Keys up to here are about the library, the others about a device.
const GLOBALS: usize = Key::Driver as usize + 1;

impl Key {
    pub(crate) fn global(name: &str) -> Option<Self> {
        KEYS[..GLOBALS].iter().find(|(_, known)| *known == name).map(|(key, _)| *key)
    }

    pub(crate) fn of_device(name: &str) -> Option<Self> {
        KEYS[GLOBALS..].iter().find(|(_, known)| *known == name).map(|(key, _)| *key)
    }

    pub(crate) fn all_of_device() -> impl Iterator<Item = Self> {
        KEYS[GLOBALS..].iter().map(|(key, _)| *key)
    }

    pub(crate) fn name(self) -> &'static str {
        KEYS[self as usize].1
    }

    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Driver | Self::Name | Self::Uuid | Self::Serial)
    }
}

/// The answers to one question, in the order of the calls.
#[derive(Clone, Debug)]
struct Series {
    items: Vec<Item>,
    calls: usize,
    last: u64,
}

impl Series {
    fn of(items: Vec<Item>) -> Self {
        Self { items, calls: 0, last: 0 }
    }

    /// The answer to this call. A hanging one is asked again and not counted.
    fn next(&mut self) -> Item {
        let index = self.calls.min(self.items.len().saturating_sub(1));
        let item = self.items.get(index).cloned().unwrap_or(Item::Hang);
        if item == Item::Hang {
            return item;
        }
        self.calls += 1;
        self.last = match item {
            Item::Value(value) => value,
            Item::Step(step) => self.last + step,
            _ => self.last,
        };
        if matches!(item, Item::Step(_)) { Item::Value(self.last) } else { item }
    }
}

/// All answers of a script.
#[derive(Debug)]
pub(crate) struct Answers {
    globals: Vec<Series>,
    devices: Vec<Vec<Series>>,
}

impl Answers {
    /// Answers of a machine with so many GPUs of which nothing else is known.
    pub(crate) fn new(devices: u32) -> Self {
        let success = Item::Code(0);
        let not_supported = Item::Code(code_named("NOT_SUPPORTED").unwrap_or_default());
        let mut globals = vec![Series::of(vec![success.clone()]); GLOBALS];
        globals[Key::Count as usize] = Series::of(vec![Item::Value(u64::from(devices))]);
        globals[Key::Driver as usize] = Series::of(vec![Item::Text("580.159.03".to_owned())]);
        let device = |index: u32| {
            let default = |key| match key {
                Key::Handle => success.clone(),
                Key::Name => Item::Text("NVIDIA Fake".to_owned()),
                Key::Uuid => Item::Text(format!("GPU-00000000-0000-0000-0000-{index:012x}")),
                _ => not_supported.clone(),
            };
            Key::all_of_device().map(|key| Series::of(vec![default(key)])).collect()
        };
        Self { globals, devices: (0..devices).map(device).collect() }
    }

    pub(crate) fn devices(&self) -> u32 {
        u32::try_from(self.devices.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn set(&mut self, device: Option<u32>, key: Key, items: Vec<Item>) {
        if let Some(series) = self.series(device, key) {
            *series = Series::of(items);
        }
    }

    /// The next answer; nothing when there is no such device.
    pub(crate) fn next(&mut self, device: Option<u32>, key: Key) -> Option<Item> {
        self.series(device, key).map(Series::next)
    }

    fn series(&mut self, device: Option<u32>, key: Key) -> Option<&mut Series> {
        match device {
            None => self.globals.get_mut(key as usize),
            Some(index) => {
                self.devices.get_mut(index as usize)?.get_mut((key as usize).checked_sub(GLOBALS)?)
            }
        }
    }
}
