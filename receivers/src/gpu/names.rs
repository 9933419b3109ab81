//! The tables of names: what a reading is called on its way out, in which unit and scale.
//!
//! A table is a [`Profile`]. Nothing else in the agent knows a GPU metric's name; the documentation is
//! made from it ([`Profile::markdown`]).

use spindle_pipeline::otlp::build::{MetricInfo, MetricKind};

use super::reading::{Field, FieldSet, Health, Identity};

/// A convention of names.
#[derive(Debug)]
pub struct Profile {
    /// Its metrics, in the order in which they go out.
    pub metrics: &'static [Metric],
    /// The attributes that say which GPU a point is about.
    pub identity: &'static [(&'static str, Identifier)],
}

/// A metric and its points.
#[derive(Debug)]
pub struct Metric {
    /// Name, unit, kind, description.
    pub info: MetricInfo,
    /// Whether it goes out when the configuration does not say.
    pub is_default: bool,
    /// What each GPU adds to it.
    pub points: &'static [Point],
}

/// A point of each GPU.
#[derive(Debug)]
pub struct Point {
    /// Where the number comes from.
    pub value: Value,
    /// The attributes of its own.
    pub attributes: &'static [(&'static str, &'static str)],
    /// It is about a sensor of the GPU, which is a component of its own with this name.
    pub sensor: Option<&'static str>,
}

/// Where a number comes from, and its scale.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    /// As it was read.
    Plain(Field),
    /// Times a whole number.
    Times(Field, u64),
    /// Divided by a number.
    Per(Field, f64),
    /// One field divided by another; absent when that is 0.
    Ratio(Field, Field),
    /// 1 when the GPU is in this state, else 0.
    Is(Health),
}

impl Value {
    /// The fields that it needs.
    pub const fn fields(self) -> FieldSet {
        match self {
            Self::Plain(field) | Self::Times(field, _) | Self::Per(field, _) => FieldSet::of(&[field]),
            Self::Ratio(part, whole) => FieldSet::of(&[part, whole]),
            Self::Is(_) => FieldSet::EMPTY,
        }
    }
}

/// What an identifying attribute holds. One whose value is not known is left out.
#[derive(Clone, Copy, Debug)]
pub enum Identifier {
    /// The uuid, of a sensor with `/` and its name behind; of a GPU that could not be asked its short name.
    Id,
    /// Of a sensor: the GPU's id.
    Parent,
    /// The short name, `gpu0`.
    Name,
    /// The product.
    Model,
    /// The board's serial number.
    Serial,
    /// The driver's version.
    Driver,
    /// One text for a GPU and another for a sensor.
    Either {
        /// For a GPU.
        gpu: &'static str,
        /// For a sensor.
        sensor: &'static str,
    },
}

impl Identifier {
    /// The attribute's value for a GPU, or for one of its sensors.
    pub fn text(self, identity: &Identity, sensor: Option<&str>) -> Option<String> {
        let name = || format!("gpu{}", identity.index);
        let id = || identity.uuid.clone().unwrap_or_else(name);
        match self {
            Self::Id => Some(sensor.map_or_else(id, |sensor| format!("{}/{sensor}", id()))),
            Self::Parent => sensor.map(|_| id()),
            Self::Name => Some(name()),
            Self::Model => identity.model.clone(),
            Self::Serial => identity.serial.clone(),
            Self::Driver => identity.driver.clone(),
            Self::Either { gpu, sensor: of_sensor } => {
                Some(if sensor.is_some() { of_sensor } else { gpu }.to_owned())
            }
        }
    }
}

const fn on(info: MetricInfo, points: &'static [Point]) -> Metric {
    Metric { info, is_default: true, points }
}

const fn off(info: MetricInfo, points: &'static [Point]) -> Metric {
    Metric { info, is_default: false, points }
}

const fn point(value: Value) -> Point {
    Point { value, attributes: &[], sensor: None }
}

const fn with(value: Value, attributes: &'static [(&'static str, &'static str)]) -> Point {
    Point { value, attributes, sensor: None }
}

const fn sensor(
    value: Value,
    name: &'static str,
    attributes: &'static [(&'static str, &'static str)],
) -> Point {
    Point { value, attributes, sensor: Some(name) }
}

const HERTZ_PER_MEGAHERTZ: u64 = 1_000_000;
const PERCENT: f64 = 100.0;
/// Milliwatts and millijoules.
const MILLI: f64 = 1000.0;

/// OpenTelemetry's semantic conventions for hardware (`hw.*`, v1.44, all in development), and names of
/// our own (`gpu.*`) for what they do not have.
pub static OPENTELEMETRY: Profile = Profile {
    identity: &[
        ("hw.id", Identifier::Id),
        ("hw.name", Identifier::Name),
        ("hw.parent", Identifier::Parent),
        ("hw.type", Identifier::Either { gpu: "gpu", sensor: "temperature" }),
        ("hw.vendor", Identifier::Either { gpu: "NVIDIA", sensor: "NVIDIA" }),
        ("hw.model", Identifier::Model),
        ("hw.serial_number", Identifier::Serial),
        ("hw.driver_version", Identifier::Driver),
    ],
    metrics: &[
        on(
            MetricInfo::gauge("hw.gpu.utilization", "1", "Fraction of time the GPU is busy"),
            &[
                with(Value::Per(Field::UtilizationGeneral, PERCENT), &[("hw.gpu.task", "general")]),
                with(Value::Per(Field::UtilizationEncoder, PERCENT), &[("hw.gpu.task", "encoder")]),
                with(Value::Per(Field::UtilizationDecoder, PERCENT), &[("hw.gpu.task", "decoder")]),
            ],
        ),
        on(
            MetricInfo::up_down("hw.gpu.memory.limit", "By", "Size of the GPU's memory"),
            &[point(Value::Plain(Field::MemoryTotal))],
        ),
        on(
            MetricInfo::up_down(
                "hw.gpu.memory.usage",
                "By",
                "GPU memory that is allocated, without what the driver reserves",
            ),
            &[point(Value::Plain(Field::MemoryUsed))],
        ),
        on(
            MetricInfo::gauge(
                "hw.gpu.memory.utilization",
                "1",
                "Fraction of the GPU's memory that is allocated",
            ),
            &[point(Value::Ratio(Field::MemoryUsed, Field::MemoryTotal))],
        ),
        on(
            MetricInfo::gauge("hw.power", "W", "Power that the board draws"),
            &[point(Value::Per(Field::Power, MILLI))],
        ),
        on(
            MetricInfo::counter("hw.energy", "J", "Energy that the board used since the driver was loaded"),
            &[point(Value::Per(Field::Energy, MILLI))],
        ),
        on(
            MetricInfo::gauge("hw.temperature", "Cel", "Temperature of the chip and of the GPU's memory"),
            &[
                sensor(Value::Plain(Field::TemperatureGpu), "gpu", &[("hw.sensor_location", "gpu")]),
                sensor(Value::Plain(Field::TemperatureMemory), "memory", &[("hw.sensor_location", "memory")]),
            ],
        ),
        on(
            MetricInfo::gauge("gpu.clock.frequency", "Hz", "Frequency at which a part of the GPU runs"),
            &[
                with(
                    Value::Times(Field::ClockGraphics, HERTZ_PER_MEGAHERTZ),
                    &[("gpu.clock.domain", "graphics")],
                ),
                with(Value::Times(Field::ClockSm, HERTZ_PER_MEGAHERTZ), &[("gpu.clock.domain", "sm")]),
                with(
                    Value::Times(Field::ClockMemory, HERTZ_PER_MEGAHERTZ),
                    &[("gpu.clock.domain", "memory")],
                ),
                with(Value::Times(Field::ClockVideo, HERTZ_PER_MEGAHERTZ), &[("gpu.clock.domain", "video")]),
            ],
        ),
        // The width of the driver's counts is not documented. If it is 32 bits, a busy GPU passes their end
        // more than once between two readings, and no total is better than a wrong one.
        off(
            MetricInfo::counter("hw.gpu.io", "By", "Bytes that the GPU sent and received over PCIe"),
            &[
                with(Value::Plain(Field::PcieTransmitted), &[("network.io.direction", "transmit")]),
                with(Value::Plain(Field::PcieReceived), &[("network.io.direction", "receive")]),
            ],
        ),
        on(
            MetricInfo::counter(
                "gpu.pcie.replays",
                "{replay}",
                "Packets that were sent again over PCIe since the driver was loaded",
            ),
            &[point(Value::Plain(Field::PcieReplays))],
        ),
        on(
            MetricInfo::gauge(
                "gpu.pcie.link.generation",
                "{generation}",
                "Generation at which the PCIe link runs",
            ),
            &[point(Value::Plain(Field::PcieLinkGeneration))],
        ),
        on(
            MetricInfo::gauge("gpu.pcie.link.width", "{lane}", "Lanes over which the PCIe link runs"),
            &[point(Value::Plain(Field::PcieLinkWidth))],
        ),
        on(
            MetricInfo::counter(
                "hw.errors",
                "{error}",
                "Memory errors that ECC found since the driver was loaded",
            ),
            &[
                with(Value::Plain(Field::EccCorrected), &[("error.type", "corrected")]),
                with(Value::Plain(Field::EccUncorrected), &[("error.type", "uncorrected")]),
            ],
        ),
        on(
            MetricInfo::up_down(
                "hw.status",
                "1",
                "1 in the series of the state that the GPU is in, 0 in the others",
            ),
            &[
                with(Value::Is(Health::Ok), &[("hw.state", "ok")]),
                with(Value::Is(Health::Failed), &[("hw.state", "failed")]),
            ],
        ),
    ],
};

impl Profile {
    /// The names of all metrics.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.metrics.iter().map(|metric| metric.info.name)
    }

    /// The table as the documentation has it.
    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "| metric | unit | kind | default | attributes of its own | |\n|---|---|---|---|---|---|\n",
        );
        for metric in self.metrics {
            let info = &metric.info;
            let kind = match info.kind {
                MetricKind::Gauge => "gauge",
                MetricKind::Counter => "counter",
                MetricKind::UpDownCounter => "up-down counter",
            };
            let default = if metric.is_default { "on" } else { "off" };
            let (name, unit, description) = (info.name, info.unit, info.description);
            let attributes = own_attributes(metric.points);
            text.push_str(&format!(
                "| `{name}` | `{unit}` | {kind} | {default} | {attributes} | {description} |\n"
            ));
        }
        text
    }
}

/// `key`: `value`, `value`.
fn own_attributes(points: &[Point]) -> String {
    let keys = points.first().map_or(&[][..], |point| point.attributes).iter().map(|(key, _)| *key);
    let described = keys.map(|key| {
        let values = points.iter().flat_map(|point| point.attributes).filter(|(name, _)| *name == key);
        let values: Vec<String> = values.map(|(_, value)| format!("`{value}`")).collect();
        format!("`{key}`: {}", values.join(", "))
    });
    described.collect::<Vec<_>>().join("; ")
}
