//! Families of the Prometheus data model, made at a scrape of numbers that are counted elsewhere.

use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{
    Counter, Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
};

/// The names here are constants of ours, which is all that the library checks.
const VALID: &str = "the metric's name, help and labels are valid";

pub(super) fn gauge(name: &str, help: &str, value: u64) -> Vec<MetricFamily> {
    let gauge = IntGauge::new(name, help).expect(VALID);
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    gauge.collect()
}

pub(super) fn seconds(name: &str, help: &str, value: f64) -> Vec<MetricFamily> {
    let gauge = Gauge::new(name, help).expect(VALID);
    gauge.set(value);
    gauge.collect()
}

/// A gauge for each value of a label; without any it is left out.
pub(super) fn seconds_by<'a>(
    name: &str,
    help: &str,
    label: &str,
    series: impl IntoIterator<Item = (&'a str, f64)>,
) -> Vec<MetricFamily> {
    let gauges = GaugeVec::new(Opts::new(name, help), &[label]).expect(VALID);
    for (value, seconds) in series {
        gauges.with_label_values(&[value]).set(seconds);
    }
    gauges.collect().into_iter().filter(|family| !family.get_metric().is_empty()).collect()
}

/// A gauge that is 1, and says something by its label.
pub(super) fn info(name: &str, help: &str, label: &str, value: &str) -> Vec<MetricFamily> {
    let gauges = IntGaugeVec::new(Opts::new(name, help), &[label]).expect(VALID);
    gauges.with_label_values(&[value]).set(1);
    gauges.collect()
}

pub(super) fn counter(name: &str, help: &str, value: u64) -> Vec<MetricFamily> {
    let counter = IntCounter::new(name, help).expect(VALID);
    counter.inc_by(value);
    counter.collect()
}

pub(super) fn seconds_counter(name: &str, help: &str, value: f64) -> Vec<MetricFamily> {
    let counter = Counter::new(name, help).expect(VALID);
    counter.inc_by(value);
    counter.collect()
}

/// A family with a series for each set of label values; without a series it is left out.
pub(super) fn counters<const N: usize>(
    name: &str,
    help: &str,
    labels: [&str; N],
    series: impl IntoIterator<Item = ([&'static str; N], u64)>,
) -> Vec<MetricFamily> {
    let counters = IntCounterVec::new(Opts::new(name, help), &labels).expect(VALID);
    for (values, value) in series {
        counters.with_label_values(&values).inc_by(value);
    }
    counters.collect().into_iter().filter(|family| !family.get_metric().is_empty()).collect()
}
