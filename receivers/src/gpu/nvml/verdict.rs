//! What an error of NVML means for what is asked next.

use nvml_wrapper::error::NvmlError;

/// What an error means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The GPU, or this version of the driver, does not have it: not asked again in this session.
    Unsupported,
    /// It is not permitted to us: not asked again in this session, and told.
    Forbidden,
    /// The GPU itself is gone.
    Lost,
    /// The library and the driver no longer work together: the session is over.
    SessionOver,
    /// It failed this time.
    Transient,
}

/// `NVML_ERROR_ARGUMENT_VERSION_MISMATCH`: a driver that does not know the struct's version.
const ARGUMENT_VERSION_MISMATCH: u32 = 25;
/// `NVML_ERROR_DEPRECATED`: a driver that no longer has the function.
const DEPRECATED: u32 = 26;
/// `NVML_ERROR_GPU_NOT_FOUND`.
const GPU_NOT_FOUND: u32 = 28;

impl Verdict {
    pub(super) fn of(error: &NvmlError) -> Self {
        use NvmlError as E;
        match error {
            // The wrapper looks for a function when it is called; an old library may not have it.
            E::NotSupported
            | E::FailedToLoadSymbol(_)
            | E::FunctionNotFound
            | E::VgpuEccNotSupported
            | E::UnexpectedVariant(ARGUMENT_VERSION_MISMATCH | DEPRECATED) => Self::Unsupported,
            // `OperatingSystem`: a cgroup without the device.
            E::NoPermission | E::OperatingSystem => Self::Forbidden,
            E::GpuLost
            | E::ResetRequired
            | E::InsufficientPower
            | E::IrqIssue
            | E::UnexpectedVariant(GPU_NOT_FOUND) => Self::Lost,
            E::Uninitialized | E::DriverNotLoaded | E::LibRmVersionMismatch => Self::SessionOver,
            _ => Self::Transient,
        }
    }
}
