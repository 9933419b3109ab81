//! The functions of NVML, by their C names and types.
//!
//! Every function writes its outputs only when it returns 0, as NVML does. Safety, for all of them: the
//! caller passes pointers to writable memory of the type that nvml.h has there, and for texts the length
//! of the buffer.

use std::ffi::{c_char, c_int, c_uint, c_void};

use crate::answers::Key;
use crate::player::{ask, ask_text, has_device, initialise, shut_down};

/// `nvmlDevice_t`: here the device's number plus one, never dereferenced.
type Device = *mut c_void;

const SUCCESS: u32 = 0;
const INVALID_ARGUMENT: u32 = 2;
const NOT_SUPPORTED: u32 = 3;
const INSUFFICIENT_SIZE: u32 = 7;
const ARGUMENT_VERSION_MISMATCH: u32 = 25;

/// `nvmlUtilization_t`, in percent.
#[repr(C)]
pub struct Utilization {
    gpu: c_uint,
    memory: c_uint,
}

/// `nvmlMemory_v2_t`, in bytes.
#[repr(C)]
pub struct Memory {
    version: c_uint,
    total: u64,
    reserved: u64,
    free: u64,
    used: u64,
}

/// `NVML_STRUCT_VERSION(Memory, 2)`.
const MEMORY_VERSION: c_uint = size_of::<Memory>() as c_uint | 2 << 24;

/// `nvmlFieldValue_t`.
#[repr(C)]
pub struct FieldValue {
    field_id: c_uint,
    scope_id: c_uint,
    timestamp: i64,
    latency: i64,
    value_type: c_uint,
    result: u32,
    value: u64,
}

/// `NVML_FI_DEV_MEMORY_TEMP`.
const FIELD_MEMORY_TEMPERATURE: c_uint = 82;
/// `NVML_FI_DEV_PCIE_COUNT_TX_BYTES`.
const FIELD_PCIE_TRANSMITTED: c_uint = 197;
/// `NVML_FI_DEV_PCIE_COUNT_RX_BYTES`.
const FIELD_PCIE_RECEIVED: c_uint = 198;
/// `NVML_VALUE_TYPE_UNSIGNED_INT`.
const TYPE_UNSIGNED_INT: c_uint = 1;
/// `NVML_VALUE_TYPE_UNSIGNED_LONG_LONG`.
const TYPE_UNSIGNED_LONG_LONG: c_uint = 3;

/// Initialises.
#[unsafe(no_mangle)]
pub extern "C" fn nvmlInit_v2() -> u32 {
    initialise()
}

/// Initialises; the flags are not looked at.
#[unsafe(no_mangle)]
pub extern "C" fn nvmlInitWithFlags(_flags: c_uint) -> u32 {
    initialise()
}

/// Ends what `nvmlInit_v2` began.
#[unsafe(no_mangle)]
pub extern "C" fn nvmlShutdown() -> u32 {
    shut_down()
}

/// The driver's version.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetDriverVersion(text: *mut c_char, length: c_uint) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { put_text(ask_text(None, Key::Driver), text, length) }
}

/// How many devices there are.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCount_v2(count: *mut c_uint) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { put(ask(None, Key::Count), count) }
}

/// The device of a number.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, device: *mut Device) -> u32 {
    if !has_device(index) {
        return INVALID_ARGUMENT;
    }
    match ask(Some(index), Key::Handle) {
        Ok(_) => {
            // SAFETY: as the caller promises.
            unsafe { device.write(std::ptr::without_provenance_mut(index as usize + 1)) };
            SUCCESS
        }
        Err(code) => code,
    }
}

/// The device's product name.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetName(device: Device, text: *mut c_char, length: c_uint) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { put_text(ask_text(Some(number(device)), Key::Name), text, length) }
}

/// The device's uuid.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetUUID(device: Device, text: *mut c_char, length: c_uint) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { put_text(ask_text(Some(number(device)), Key::Uuid), text, length) }
}

/// The board's serial number.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetSerial(device: Device, text: *mut c_char, length: c_uint) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { put_text(ask_text(Some(number(device)), Key::Serial), text, length) }
}

/// How busy the device and its memory are.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetUtilizationRates(device: Device, rates: *mut Utilization) -> u32 {
    let device = Some(number(device));
    let read = || -> Result<Utilization, u32> {
        let gpu = ask(device, Key::UtilizationGpu)? as c_uint;
        Ok(Utilization { gpu, memory: ask(device, Key::UtilizationMemory)? as c_uint })
    };
    // SAFETY: as the caller promises.
    unsafe { put_struct(read(), rates) }
}

/// How busy the encoders are, and over what time that was measured.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetEncoderUtilization(
    device: Device,
    percent: *mut c_uint,
    period: *mut c_uint,
) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { put_with_period(ask(Some(number(device)), Key::UtilizationEncoder), percent, period) }
}

/// How busy the decoders are, and over what time that was measured.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetDecoderUtilization(
    device: Device,
    percent: *mut c_uint,
    period: *mut c_uint,
) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { put_with_period(ask(Some(number(device)), Key::UtilizationDecoder), percent, period) }
}

/// What the device's memory holds.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(device: Device, memory: *mut Memory) -> u32 {
    // SAFETY: as the caller promises.
    let version = unsafe { (*memory).version };
    if version != MEMORY_VERSION {
        return ARGUMENT_VERSION_MISMATCH;
    }
    let device = Some(number(device));
    let read = || -> Result<Memory, u32> {
        let total = ask(device, Key::MemoryTotal)?;
        let (used, free) = (ask(device, Key::MemoryUsed)?, ask(device, Key::MemoryFree)?);
        Ok(Memory { version, total, reserved: ask(device, Key::MemoryReserved)?, free, used })
    };
    // SAFETY: as the caller promises.
    unsafe { put_struct(read(), memory) }
}

/// The power drawn, in mW.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPowerUsage(device: Device, milliwatts: *mut c_uint) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { put(ask(Some(number(device)), Key::Power), milliwatts) }
}

/// The energy used since the driver was loaded, in mJ.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetTotalEnergyConsumption(device: Device, millijoules: *mut u64) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { put_struct(ask(Some(number(device)), Key::Energy), millijoules) }
}

/// The temperature of the chip, in °C; sensor 0 is the only one.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetTemperature(
    device: Device,
    sensor: c_uint,
    celsius: *mut c_uint,
) -> u32 {
    if sensor != 0 {
        return INVALID_ARGUMENT;
    }
    // SAFETY: as the caller promises.
    unsafe { put(ask(Some(number(device)), Key::TemperatureGpu), celsius) }
}

/// The clock of a domain, in MHz.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetClockInfo(
    device: Device,
    domain: c_uint,
    megahertz: *mut c_uint,
) -> u32 {
    let key = match domain {
        0 => Key::ClockGraphics,
        1 => Key::ClockSm,
        2 => Key::ClockMemory,
        3 => Key::ClockVideo,
        _ => return INVALID_ARGUMENT,
    };
    // SAFETY: as the caller promises.
    unsafe { put(ask(Some(number(device)), key), megahertz) }
}

/// How often the device sent something again over PCIe.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPcieReplayCounter(device: Device, replays: *mut c_uint) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { put(ask(Some(number(device)), Key::PcieReplays), replays) }
}

/// The generation of the PCIe link.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCurrPcieLinkGeneration(device: Device, generation: *mut c_uint) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { put(ask(Some(number(device)), Key::PcieGeneration), generation) }
}

/// The lanes of the PCIe link.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCurrPcieLinkWidth(device: Device, lanes: *mut c_uint) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { put(ask(Some(number(device)), Key::PcieWidth), lanes) }
}

/// ECC errors: kind 0 corrected, 1 uncorrected; counter 0 since the driver was loaded, which is the only
/// one here.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetTotalEccErrors(
    device: Device,
    kind: c_uint,
    counter: c_uint,
    errors: *mut u64,
) -> u32 {
    let key = match (kind, counter) {
        (0, 0) => Key::EccCorrected,
        (1, 0) => Key::EccUncorrected,
        (0 | 1, 1) => return NOT_SUPPORTED,
        _ => return INVALID_ARGUMENT,
    };
    // SAFETY: as the caller promises.
    unsafe { put_struct(ask(Some(number(device)), key), errors) }
}

/// Values by their field ids, each with a return code of its own.
///
/// # Safety
///
/// See the module; `values` are `count` of them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetFieldValues(
    device: Device,
    count: c_int,
    values: *mut FieldValue,
) -> u32 {
    let device = Some(number(device));
    for index in 0..usize::try_from(count).unwrap_or(0) {
        // SAFETY: as the caller promises.
        let field = unsafe { &mut *values.add(index) };
        let answer = match field.field_id {
            FIELD_MEMORY_TEMPERATURE => ask(device, Key::TemperatureMemory),
            FIELD_PCIE_TRANSMITTED => ask(device, Key::PcieTransmitted),
            FIELD_PCIE_RECEIVED => ask(device, Key::PcieReceived),
            _ => Err(NOT_SUPPORTED),
        };
        (field.value, field.result) = match answer {
            Ok(value) => (value, SUCCESS),
            Err(code) => (0, code),
        };
        let is_narrow = c_uint::try_from(field.value).is_ok();
        field.value_type = if is_narrow { TYPE_UNSIGNED_INT } else { TYPE_UNSIGNED_LONG_LONG };
    }
    SUCCESS
}

fn number(device: Device) -> u32 {
    // A null handle is a number that no device has.
    u32::try_from(device.addr()).unwrap_or(0).wrapping_sub(1)
}

/// Safety: `out` is valid for a write.
unsafe fn put(answer: Result<u64, u32>, out: *mut c_uint) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { put_struct(answer.map(|value| value as c_uint), out) }
}

/// Safety: `out` is valid for a write.
unsafe fn put_struct<T>(answer: Result<T, u32>, out: *mut T) -> u32 {
    match answer {
        Ok(value) => {
            // SAFETY: as the caller promises.
            unsafe { out.write(value) };
            SUCCESS
        }
        Err(code) => code,
    }
}

/// Safety: both are valid for a write.
unsafe fn put_with_period(answer: Result<u64, u32>, percent: *mut c_uint, period: *mut c_uint) -> u32 {
    if answer.is_ok() {
        // SAFETY: as the caller promises.
        unsafe { period.write(167_000) };
    }
    // SAFETY: as the caller promises.
    unsafe { put(answer, percent) }
}

/// Safety: `out` is valid for `length` writes.
unsafe fn put_text(answer: Result<String, u32>, out: *mut c_char, length: c_uint) -> u32 {
    let text = match answer {
        Ok(text) => text,
        Err(code) => return code,
    };
    if text.len() >= length as usize {
        return INSUFFICIENT_SIZE;
    }
    // SAFETY: the text and its end fit in, and as the caller promises.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr().cast(), out, text.len());
        out.add(text.len()).write(0);
    }
    SUCCESS
}
