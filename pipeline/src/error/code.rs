//! The one table: gRPC code, HTTP status, whether to send again, and what is to blame.
//!
//! | | as the Collector has it in |
//! |---|---|
//! | code -> HTTP status | the OTLP receiver's reply |
//! | HTTP status -> code | the OTLP/HTTP exporter's reading of a reply |
//! | code -> retry | the OTLP/gRPC exporter, after the OTLP specification |
//!
//! "Too large" has no gRPC code of its own: servers say `RESOURCE_EXHAUSTED` or `OUT_OF_RANGE`, which stand
//! for other things as well, and their text tells the difference ([`says_too_large`]). By HTTP it is 413.

use http::StatusCode;

/// A gRPC status code, which is also our own classification of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Code {
    /// Success; never the code of an error.
    Ok = 0,
    /// The caller gave up.
    Cancelled = 1,
    /// Nothing is known.
    Unknown = 2,
    /// The data is bad.
    InvalidArgument = 3,
    /// It took too long.
    DeadlineExceeded = 4,
    /// There is no such thing.
    NotFound = 5,
    /// It is there already.
    AlreadyExists = 6,
    /// Known and not allowed.
    PermissionDenied = 7,
    /// A limit was met; retried only when the answer says after what time.
    ResourceExhausted = 8,
    /// The state does not permit it.
    FailedPrecondition = 9,
    /// Stopped by a conflict.
    Aborted = 10,
    /// Beyond the valid range.
    OutOfRange = 11,
    /// No such method.
    Unimplemented = 12,
    /// A failure inside.
    Internal = 13,
    /// Not at present.
    Unavailable = 14,
    /// Data was lost on the way.
    DataLoss = 15,
    /// Not known who asks.
    Unauthenticated = 16,
}

/// Whether an answer with a code is a reason to send again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryClass {
    /// Yes.
    Always,
    /// Only when the answer says when.
    IfHinted,
    /// No.
    Never,
}

/// What in a request a refusal is about, and so whether parts of the request would be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// Nothing in it: a smaller request would be answered the same.
    Nothing,
    /// Some item, or several, are bad: the others would be taken.
    Items,
    /// Its size: halves of it may be taken.
    Size,
}

/// Code, the HTTP status a receiver answers with, and whether a client sends again.
const TABLE: [(Code, u16, RetryClass); 17] = [
    (Code::Ok, 200, RetryClass::Never),
    (Code::Cancelled, 503, RetryClass::Always),
    (Code::Unknown, 500, RetryClass::Never),
    (Code::InvalidArgument, 400, RetryClass::Never),
    (Code::DeadlineExceeded, 503, RetryClass::Always),
    (Code::NotFound, 500, RetryClass::Never),
    (Code::AlreadyExists, 500, RetryClass::Never),
    (Code::PermissionDenied, 403, RetryClass::Never),
    (Code::ResourceExhausted, 429, RetryClass::IfHinted),
    (Code::FailedPrecondition, 500, RetryClass::Never),
    (Code::Aborted, 503, RetryClass::Always),
    (Code::OutOfRange, 503, RetryClass::Always),
    (Code::Unimplemented, 404, RetryClass::Never),
    (Code::Internal, 500, RetryClass::Never),
    (Code::Unavailable, 503, RetryClass::Always),
    (Code::DataLoss, 503, RetryClass::Always),
    (Code::Unauthenticated, 401, RetryClass::Never),
];

impl Code {
    /// The code of a gRPC status; numbers that are none are [`Code::Unknown`].
    pub fn from_grpc(number: i32) -> Self {
        TABLE.iter().map(|row| row.0).find(|code| *code as i32 == number).unwrap_or(Self::Unknown)
    }

    /// The gRPC status.
    pub const fn grpc(self) -> i32 {
        self as i32
    }

    /// The HTTP status a receiver answers with.
    pub fn http(self) -> StatusCode {
        StatusCode::from_u16(TABLE[self as usize].1).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What an OTLP/HTTP back end means by a status.
    pub fn from_http(status: StatusCode) -> Self {
        match status.as_u16() {
            200..=299 => Self::Ok,
            400 => Self::InvalidArgument,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::Unimplemented,
            413 => Self::ResourceExhausted,
            429 | 502 | 503 | 504 => Self::Unavailable,
            _ => Self::Unknown,
        }
    }

    /// Whether a client sends again.
    pub const fn retry_class(self) -> RetryClass {
        TABLE[self as usize].2
    }

    /// Whether a code that a server gives for many reasons may mean "too large".
    pub const fn may_mean_too_large(self) -> bool {
        matches!(self, Self::ResourceExhausted | Self::OutOfRange)
    }

    /// What is to blame for a refusal with this code, when it is not the size.
    pub const fn blame(self) -> Blame {
        match self {
            Self::InvalidArgument => Blame::Items,
            _ => Blame::Nothing,
        }
    }
}

/// How the gRPC servers put it, in lower case.
const TOO_LARGE: [&str; 4] = [
    // grpc-go ("received message larger than max (N vs. M)"), grpc-core and what is built on it, grpc-js.
    "larger than max",
    // grpc-java: "gRPC message exceeds maximum size M: N".
    "exceeds maximum",
    // grpc-dotnet: "Received message exceeds the maximum configured message size."
    "exceeds the maximum",
    // tonic, as OUT_OF_RANGE: "decoded message length too large"; many proxies.
    "too large",
];

/// Whether the text of a refusal says that the request is too large.
pub fn says_too_large(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    TOO_LARGE.iter().any(|words| text.contains(words))
}
