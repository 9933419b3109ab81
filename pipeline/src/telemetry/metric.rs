//! The one list of the agent's own metrics.

use crate::signal::Signal;

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instrument {
    /// Only grows.
    Counter,
    /// Goes both ways.
    Gauge,
    /// A distribution.
    Histogram,
    /// Read from the system when it is asked for.
    Process,
}

/// A row of the list.
#[derive(Clone, Copy, Debug)]
pub struct MetricRow {
    /// Which metric.
    pub metric: Metric,
    /// Its name without prefix and suffixes.
    pub name: &'static str,
    /// How it behaves.
    pub instrument: Instrument,
    /// Its unit in UCUM.
    pub unit: &'static str,
    /// What it says.
    pub description: &'static str,
}

/// Names and meaning in one place: the enum, the rows, and the order in which docs list them.
macro_rules! metrics {
    ($($variant:ident = $name:literal, $instrument:ident, $unit:literal, $description:literal;)*) => {
        /// Every metric the agent has about itself.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Metric {
            $(#[doc = $description] $variant,)*
        }

        /// The list.
        pub(super) const ROWS: &[MetricRow] = &[
            $(MetricRow {
                metric: Metric::$variant,
                name: $name,
                instrument: Instrument::$instrument,
                unit: $unit,
                description: $description,
            },)*
        ];
    };
}

metrics! {
    ReceiverAcceptedSpans = "receiver_accepted_spans", Counter, "{spans}", "Spans that a receiver handed to its pipelines";
    ReceiverAcceptedMetricPoints = "receiver_accepted_metric_points", Counter, "{datapoints}", "Metric points that a receiver handed to its pipelines";
    ReceiverAcceptedLogRecords = "receiver_accepted_log_records", Counter, "{records}", "Log records that a receiver handed to its pipelines";
    ReceiverRefusedSpans = "receiver_refused_spans", Counter, "{spans}", "Spans that the pipelines did not take; the client was told";
    ReceiverRefusedMetricPoints = "receiver_refused_metric_points", Counter, "{datapoints}", "Metric points that the pipelines did not take; the client was told";
    ReceiverRefusedLogRecords = "receiver_refused_log_records", Counter, "{records}", "Log records that the pipelines did not take; the client was told";
    ReceiverRequests = "receiver_requests", Counter, "{requests}", "Requests to a receiver, by outcome: success, refused (the pipelines did not take it) or failure (the request itself was bad, or not authenticated)";
    ScraperScrapedMetricPoints = "scraper_scraped_metric_points", Counter, "{datapoints}", "Metric points that a scraper read";
    ScraperErroredMetricPoints = "scraper_errored_metric_points", Counter, "{datapoints}", "Readings that a scraper could not make";
    ScraperSkippedReadings = "scraper_skipped_readings", Counter, "{readings}", "Readings that were due while the one before was not done";
    ProcessorIncomingItems = "processor_incoming_items", Counter, "{items}", "Items handed to a processor";
    ProcessorOutgoingItems = "processor_outgoing_items", Counter, "{items}", "Items that a processor handed on";
    ProcessorBatchSendSize = "processor_batch_batch_send_size", Histogram, "{units}", "Items in the batches that the batch processor made";
    ProcessorBatchSendSizeBytes = "processor_batch_batch_send_size_bytes", Histogram, "By", "Bytes in the batches that the batch processor made";
    ProcessorBatchSizeTriggerSend = "processor_batch_batch_size_trigger_send", Counter, "{times}", "Batches sent because they were full";
    ProcessorBatchTimeoutTriggerSend = "processor_batch_timeout_trigger_send", Counter, "{times}", "Batches sent because their time was up";
    ProcessorBatchMetadataCardinality = "processor_batch_metadata_cardinality", Gauge, "{combinations}", "Combinations of metadata values that are batched apart";
    ProcessorMemoryLimiterAcceptedSpans = "processor_memory_limiter_accepted_spans", Counter, "{spans}", "Spans that the memory limiter let pass";
    ProcessorMemoryLimiterAcceptedMetricPoints = "processor_memory_limiter_accepted_metric_points", Counter, "{datapoints}", "Metric points that the memory limiter let pass";
    ProcessorMemoryLimiterAcceptedLogRecords = "processor_memory_limiter_accepted_log_records", Counter, "{records}", "Log records that the memory limiter let pass";
    ProcessorMemoryLimiterRefusedSpans = "processor_memory_limiter_refused_spans", Counter, "{spans}", "Spans that the memory limiter refused; the client was told to send them again";
    ProcessorMemoryLimiterRefusedMetricPoints = "processor_memory_limiter_refused_metric_points", Counter, "{datapoints}", "Metric points that the memory limiter refused; the client was told to send them again";
    ProcessorMemoryLimiterRefusedLogRecords = "processor_memory_limiter_refused_log_records", Counter, "{records}", "Log records that the memory limiter refused; the client was told to send them again";
    ProcessorProbabilisticSamplerCountTracesSampled = "processor_probabilistic_sampler_count_traces_sampled", Counter, "{spans}", "Spans that the sampler decided about, by what decided (policy) and whether they stay (sampled)";
    ProcessorProbabilisticSamplerCountLogsSampled = "processor_probabilistic_sampler_count_logs_sampled", Counter, "{records}", "Log records that the sampler decided about, by what decided (policy) and whether they stay (sampled)";
    ExporterSentSpans = "exporter_sent_spans", Counter, "{spans}", "Spans that the back end took";
    ExporterSentMetricPoints = "exporter_sent_metric_points", Counter, "{datapoints}", "Metric points that the back end took";
    ExporterSentLogRecords = "exporter_sent_log_records", Counter, "{records}", "Log records that the back end took";
    ExporterSendFailedSpans = "exporter_send_failed_spans", Counter, "{spans}", "Spans that were given up after the last attempt";
    ExporterSendFailedMetricPoints = "exporter_send_failed_metric_points", Counter, "{datapoints}", "Metric points that were given up after the last attempt";
    ExporterSendFailedLogRecords = "exporter_send_failed_log_records", Counter, "{records}", "Log records that were given up after the last attempt";
    ExporterEnqueueFailedSpans = "exporter_enqueue_failed_spans", Counter, "{spans}", "Spans that found no room in the sending queue";
    ExporterEnqueueFailedMetricPoints = "exporter_enqueue_failed_metric_points", Counter, "{datapoints}", "Metric points that found no room in the sending queue";
    ExporterEnqueueFailedLogRecords = "exporter_enqueue_failed_log_records", Counter, "{records}", "Log records that found no room in the sending queue";
    ExporterQueueSize = "exporter_queue_size", Gauge, "{batches}", "What the sending queue holds, in the unit of its sizer";
    ExporterQueueCapacity = "exporter_queue_capacity", Gauge, "{batches}", "What the sending queue can hold, in the unit of its sizer";
    ExporterInFlightRequests = "exporter_in_flight_requests", Gauge, "{requests}", "Requests that wait for the back end's answer";
    ExporterRetries = "exporter_retries", Counter, "{attempts}", "Attempts that failed and were made again";
    DroppedItems = "dropped_items", Counter, "{items}", "Items that are gone for good, by component and reason";
    ComponentPanics = "component_panics", Counter, "{panics}", "Panics caught in a component";
    LogSuppressed = "log_suppressed_lines", Counter, "{lines}", "Log lines that repeated an earlier one and were only counted";
    ProcessUptime = "process_uptime", Process, "s", "Seconds since the start";
    ProcessCpuSeconds = "process_cpu_seconds", Process, "s", "CPU time of the process, user and system";
    ProcessMemoryRss = "process_memory_rss", Process, "By", "Resident memory of the process";
    ProcessRuntimeHeapAllocBytes = "process_runtime_heap_alloc_bytes", Process, "By", "Anonymous resident memory, which is what the allocator holds";
    ProcessRuntimeTotalSysMemoryBytes = "process_runtime_total_sys_memory_bytes", Process, "By", "Virtual memory of the process";
}

impl Metric {
    /// The list, in the order of the docs.
    pub fn rows() -> &'static [MetricRow] {
        ROWS
    }

    /// Its row.
    pub fn row(self) -> &'static MetricRow {
        // The rows are made in the order of the variants.
        &ROWS[self as usize]
    }

    /// `receiver_accepted_*`.
    pub fn receiver_accepted(signal: Signal) -> Self {
        [Self::ReceiverAcceptedSpans, Self::ReceiverAcceptedMetricPoints, Self::ReceiverAcceptedLogRecords]
            [signal.index()]
    }

    /// `receiver_refused_*`.
    pub fn receiver_refused(signal: Signal) -> Self {
        [Self::ReceiverRefusedSpans, Self::ReceiverRefusedMetricPoints, Self::ReceiverRefusedLogRecords]
            [signal.index()]
    }

    /// `processor_memory_limiter_accepted_*`.
    pub fn memory_limiter_accepted(signal: Signal) -> Self {
        [
            Self::ProcessorMemoryLimiterAcceptedSpans,
            Self::ProcessorMemoryLimiterAcceptedMetricPoints,
            Self::ProcessorMemoryLimiterAcceptedLogRecords,
        ][signal.index()]
    }

    /// `processor_memory_limiter_refused_*`.
    pub fn memory_limiter_refused(signal: Signal) -> Self {
        [
            Self::ProcessorMemoryLimiterRefusedSpans,
            Self::ProcessorMemoryLimiterRefusedMetricPoints,
            Self::ProcessorMemoryLimiterRefusedLogRecords,
        ][signal.index()]
    }

    /// `exporter_sent_*`.
    pub fn exporter_sent(signal: Signal) -> Self {
        [Self::ExporterSentSpans, Self::ExporterSentMetricPoints, Self::ExporterSentLogRecords]
            [signal.index()]
    }

    /// `exporter_send_failed_*`.
    pub fn exporter_send_failed(signal: Signal) -> Self {
        [
            Self::ExporterSendFailedSpans,
            Self::ExporterSendFailedMetricPoints,
            Self::ExporterSendFailedLogRecords,
        ][signal.index()]
    }

    /// `exporter_enqueue_failed_*`.
    pub fn exporter_enqueue_failed(signal: Signal) -> Self {
        [
            Self::ExporterEnqueueFailedSpans,
            Self::ExporterEnqueueFailedMetricPoints,
            Self::ExporterEnqueueFailedLogRecords,
        ][signal.index()]
    }
}
