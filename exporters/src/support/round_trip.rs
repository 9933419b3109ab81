//! The table through the real receiver and the real exporters: what a pipeline answers is what an exporter on
//! the other side of the wire reads, so that a chain of agents does what one of them would do.

use std::sync::Arc;
use std::time::Duration;

use spindle_pipeline::SignalSet;
use spindle_pipeline::component::{
    Exporter, ExporterFactory, Factory, Outputs, Receiver, ReceiverContext, ReceiverFactory,
};
use spindle_pipeline::error::{Blame, Code, ConsumeError, ExportError, Retry, RetryClass};
use spindle_pipeline::testing::sink::Sink;
use spindle_pipeline::testing::{config, context};
use spindle_receivers::otlp::Otlp;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::testing::{Backend, Reserved, grpc, http, spans, trailers_only};
use crate::otlp_grpc::OtlpGrpc;
use crate::otlp_http::OtlpHttp;

/// A receiver on loopback, and exporters that point to it.
struct Loop {
    sink: Arc<Sink>,
    grpc: Arc<dyn Exporter>,
    http: [Arc<dyn Exporter>; 2],
    serving: AbortHandle,
}

impl Loop {
    fn start() -> Self {
        let (receiver, [grpc, http]) = receiver();
        let sink = Sink::new();
        let outputs =
            SignalSet::ALL.iter().fold(Outputs::none(), |outputs, signal| outputs.with(signal, sink.clone()));
        let context =
            ReceiverContext { outputs, drain: CancellationToken::new(), status: context("otlp").status };
        let serving = tokio::spawn(receiver.run(context)).abort_handle();
        let grpc = exporter::<OtlpGrpc>(&format!("{{endpoint: \"{grpc}\", tls: {{insecure: true}}}}"));
        let http = ["proto", "json"].map(|encoding| {
            exporter::<OtlpHttp>(&format!("{{endpoint: \"http://{http}\", encoding: {encoding}}}"))
        });
        Self { sink, grpc, http, serving }
    }

    /// What the exporters read when the pipeline answers with this error: by gRPC, and by HTTP.
    async fn read(&self, error: &ConsumeError) -> (ExportError, ExportError) {
        let answer = error.clone();
        self.sink.answer_with(move |_| Err(answer.clone()));
        let by_grpc = self.grpc.export(&spans(1)).await.expect_err("refused");
        let by_proto = self.http[0].export(&spans(1)).await.expect_err("refused");
        let by_json = self.http[1].export(&spans(1)).await.expect_err("refused");
        assert_eq!(class(&by_proto), class(&by_json), "{error}");
        (by_grpc, by_proto)
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn exporter<E: ExporterFactory>(yaml: &str) -> Arc<dyn Exporter> {
    E::build(config::<E>(yaml), &context(E::TYPE)).expect("builds")
}

/// A bound receiver and the addresses of its two doors. A free port may be taken until it is bound: then others.
fn receiver() -> (Box<dyn Receiver>, [String; 2]) {
    for _ in 0..100 {
        let ports = [Reserved::new(), Reserved::new()].map(|reserved| reserved.1.to_string());
        let [grpc, http] = &ports;
        let yaml = format!(
            "{{protocols: {{grpc: {{endpoint: \"{grpc}\", max_recv_msg_size_mib: 1}}, http: {{endpoint: \"{http}\", max_request_body_size: 1048576}}}}}}"
        );
        if let Ok(receiver) = Otlp::build(config::<Otlp>(&yaml), &context(Otlp::TYPE)) {
            return (receiver, ports);
        }
    }
    panic!("no free ports");
}

/// What decides about sending again.
fn class(error: &ExportError) -> (Retry, Blame) {
    (error.retry(), error.blame())
}

/// Every error there is comes out of the wire as it went in, by both protocols. By HTTP the code is coarser,
/// the class the same; but a quota without a time is 429, which is sent again.
#[tokio::test]
async fn the_class_that_comes_out_is_the_one_that_went_in() {
    const HINT: Duration = Duration::from_secs(7);
    let connection = Loop::start();
    let mut errors = vec![ConsumeError::too_large("more than 5 bytes"), ConsumeError::stopping()];
    for number in 1..=16 {
        let error = ConsumeError::new(Code::from_grpc(number), "no");
        errors.push(error.clone());
        errors.push(error.retry_after(HINT));
    }
    for error in errors {
        let (by_grpc, by_http) = connection.read(&error).await;
        let expected = (error.retry(), error.blame());
        assert_eq!((by_grpc.code(), class(&by_grpc)), (error.code(), expected), "{error:?}");
        let is_quota = error.code() == Code::ResourceExhausted && expected == (Retry::Never, Blame::Nothing);
        let expected = if is_quota { (Retry::Now, Blame::Nothing) } else { expected };
        assert_eq!(class(&by_http), expected, "{error:?}");
        assert!(by_http.to_string().contains(error.message()), "{by_http}");
    }
    connection.sink.take_everything();
    connection.grpc.export(&spans(1)).await.expect("taken");
    connection.http[0].export(&spans(1)).await.expect("taken");
}

/// The receiver's own "too large" is understood by the exporters, so that between two agents it is cut.
#[tokio::test]
async fn a_receivers_limit_is_understood() {
    let connection = Loop::start();
    let large = spans(3000);
    assert!(large.byte_size() > 1 << 20, "more than either door takes");
    for exporter in std::iter::once(&connection.grpc).chain(&connection.http) {
        let error = exporter.export(&large).await.expect_err("too large");
        assert_eq!(class(&error), (Retry::Never, Blame::Size), "{error}");
    }
}

/// Every status that a back end can answer with is read by the table, whatever else it answers with.
#[tokio::test]
async fn every_http_status_is_read_by_the_table() {
    let backend = Backend::start(|index, _| http(200 + index as u16, "text/plain", "")).await;
    let exporter = exporter::<OtlpHttp>(&format!("{{endpoint: \"http://{}\"}}", backend.address));
    for status in 200..600u16 {
        let code = Code::from_http(::http::StatusCode::from_u16(status).expect("valid"));
        let answer = exporter.export(&spans(1)).await;
        let Err(error) = answer else {
            assert_eq!(code, Code::Ok, "status {status}");
            continue;
        };
        let retry = if code.retry_class() == RetryClass::Always { Retry::Now } else { Retry::Never };
        let blame = if status == 413 { Blame::Size } else { code.blame() };
        assert_eq!((error.code(), class(&error)), (code, (retry, blame)), "status {status}");
    }
    assert_eq!(backend.seen().len(), 400, "each was asked for once");
}

/// Every gRPC status that a back end can answer with, those that are none included.
#[tokio::test]
async fn every_grpc_status_is_read_by_the_table() {
    let backend = Backend::start(|index, _| {
        let number = index.to_string();
        let status = [("grpc-status", number.as_str()), ("grpc-message", "no")];
        if index % 2 == 0 { trailers_only(&status) } else { grpc(&[], &status) }
    })
    .await;
    let exporter =
        exporter::<OtlpGrpc>(&format!("{{endpoint: \"{}\", tls: {{insecure: true}}}}", backend.address));
    for number in 0..40 {
        let answer = exporter.export(&spans(1)).await;
        let Err(error) = answer else {
            assert_eq!(number, 0);
            continue;
        };
        let code = Code::from_grpc(number);
        let retry = if code.retry_class() == RetryClass::Always { Retry::Now } else { Retry::Never };
        assert_eq!((error.code(), class(&error)), (code, (retry, code.blame())), "code {number}");
    }
}
