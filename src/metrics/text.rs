//! The Prometheus text format, version 0.0.4.
//!
//! Written here, because it is a page of code and the client libraries speak OpenMetrics, in which
//! `hairpin_allocations` and `hairpin_allocations_total` could not both exist.

use std::fmt::{Display, Write};
use std::sync::Mutex;

/// The media type of this format.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A scrape in the making.
#[derive(Debug, Default)]
pub(super) struct Text(String);

impl Text {
    /// A series of its own that can go down.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, help, "gauge");
        self.sample(name, &[], value);
    }

    /// A series of its own that only grows.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.counters(name, help, [([], value)]);
    }

    /// A family of counters. Labels and their values are ours, so nothing in them needs escaping.
    pub(super) fn counters<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = ([(&'l str, &'l str); N], u64)>,
    ) {
        self.family(name, help, "counter");
        for (labels, value) in series {
            self.sample(name, &labels, value);
        }
    }

    /// A histogram with the buckets it was made with.
    pub(super) fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        let counts = histogram.0.lock().expect("nothing panics while it holds this lock").clone();
        let bucket = format!("{name}_bucket");
        self.family(name, help, "histogram");
        let mut below = 0;
        for (bound, count) in counts.bounds.iter().zip(&counts.buckets) {
            below += count;
            self.sample(&bucket, &[("le", &bound.to_string())], below);
        }
        self.sample(&bucket, &[("le", "+Inf")], counts.count);
        self.sample(&format!("{name}_sum"), &[], counts.sum);
        self.sample(&format!("{name}_count"), &[], counts.count);
    }

    /// The finished text.
    pub(super) fn finish(self) -> String {
        self.0
    }

    fn family(&mut self, name: &str, help: &str, kind: &str) {
        self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (i, (label, of)) in labels.iter().enumerate() {
            let open = if i == 0 { '{' } else { ',' };
            self.write(format_args!("{open}{label}=\"{of}\""));
        }
        let close = if labels.is_empty() { "" } else { "}" };
        self.write(format_args!("{close} {value}\n"));
    }

    fn write(&mut self, what: std::fmt::Arguments<'_>) {
        self.0.write_fmt(what).expect("writing to a String does not fail");
    }
}

/// How often a value fell into which range.
#[derive(Debug)]
pub(super) struct Histogram(Mutex<Counts>);

#[derive(Clone, Debug)]
struct Counts {
    bounds: &'static [f64],
    buckets: Vec<u64>,
    count: u64,
    sum: f64,
}

impl Histogram {
    /// `bounds` are the upper ends of the ranges, in rising order; what is above them all has a range too.
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        Self(Mutex::new(Counts { bounds, buckets: vec![0; bounds.len()], count: 0, sum: 0.0 }))
    }

    /// Counts a value.
    pub(super) fn observe(&self, value: f64) {
        let mut counts = self.0.lock().expect("nothing panics while it holds this lock");
        let bucket = counts.bounds.partition_point(|bound| *bound < value);
        if let Some(bucket) = counts.buckets.get_mut(bucket) {
            *bucket += 1;
        }
        counts.count += 1;
        counts.sum += value;
    }
}
