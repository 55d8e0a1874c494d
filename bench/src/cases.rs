//! The cases of relaying that the results show, and how a table calls them.

use std::fmt;

use crate::load::{Pace, WINDOW};
use crate::relay::{Case, Framing, Ports, Route, Workers};
use crate::socket::Transport;

/// Windows beside [`WINDOW`]: a few packets on their way, and many.
const WINDOWS: [u32; 3] = [16, WINDOW, 256];
/// Packets a second of paced runs: of one call or two, of many, and more than most servers see.
const RATES: [u32; 3] = [2000, 20_000, 40_000];

/// The columns [`describe`] fills.
pub(crate) const COLUMNS: [&str; 7] =
    ["route", "framing", "over", "load", "window", "allocations", "bytes"];

/// What a case is, column by column.
pub(crate) fn describe(case: &Case) -> Vec<String> {
    let route = match case.route {
        Route::Echo => "client - peer",
        Route::Pair => "client - client",
    };
    let framing = match case.framing {
        Framing::Channel => "channel",
        Framing::Indication => "indication",
    };
    let over = match case.transport {
        Transport::Udp => "UDP",
        Transport::Tcp => "TCP",
        Transport::Tls => "TLS",
    };
    let (load, window) = match case.pace {
        Pace::Saturated { window } => ("saturated".to_owned(), window.to_string()),
        Pace::PerSecond(rate) => (format!("{rate}/s"), "-".to_owned()),
    };
    let mut cells = [route, framing, over].map(str::to_owned).to_vec();
    cells.extend([load, window, case.allocations.to_string(), case.size.to_string()]);
    cells
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = describe(self).into_iter().zip(COLUMNS).filter(|(cell, _)| cell != "-");
        let words: Vec<String> = cells
            .map(|(cell, column)| match column {
                "window" | "allocations" | "bytes" => format!("{column} {cell}"),
                _ => cell,
            })
            .collect();
        f.write_str(&words.join(", "))
    }
}

/// Both routes, channels over UDP: every number of allocations and size at the usual window, the other windows
/// and rates with 50 allocations.
pub(crate) fn standard() -> Vec<Case> {
    let mut cases = Vec::new();
    for route in [Route::Echo, Route::Pair] {
        for allocations in [1, 50, 500] {
            for size in [160, 1200] {
                let (pace, case) = (saturated(WINDOW), usual(route));
                cases.push(Case { pace, allocations, size, ..case });
            }
        }
        let others = WINDOWS.into_iter().filter(|&window| window != WINDOW);
        cases.extend(others.map(|window| Case { pace: saturated(window), ..usual(route) }));
        cases.extend(RATES.map(|rate| Case { pace: Pace::PerSecond(rate), ..usual(route) }));
        cases.extend([1, 500].map(|allocations| Case {
            pace: Pace::PerSecond(20_000),
            allocations,
            ..usual(route)
        }));
    }
    cases
}

/// Send and Data indications, and clients over TCP, with 50 allocations.
pub(crate) fn other_ways() -> Vec<Case> {
    let (indications, tcp) = (
        Case { framing: Framing::Indication, ..usual(Route::Echo) },
        Case { transport: Transport::Tcp, ..usual(Route::Echo) },
    );
    let mut cases = vec![
        Case { pace: saturated(WINDOW), ..indications },
        Case { pace: saturated(WINDOW), size: 1200, ..indications },
        Case { pace: Pace::PerSecond(20_000), ..indications },
    ];
    cases.extend(WINDOWS.map(|window| Case { pace: saturated(window), ..tcp }));
    cases.push(Case { pace: saturated(WINDOW), size: 1200, ..tcp });
    cases.push(Case { pace: Pace::PerSecond(20_000), ..tcp });
    cases
}

/// Clients under TLS, with 50 allocations.
pub(crate) fn under_tls() -> Vec<Case> {
    let tls = Case { transport: Transport::Tls, ..usual(Route::Echo) };
    let pair = Case { transport: Transport::Tls, ..usual(Route::Pair) };
    let mut cases: Vec<Case> =
        WINDOWS.map(|window| Case { pace: saturated(window), ..tls }).to_vec();
    cases.push(Case { size: 1200, ..tls });
    cases.extend([pair, Case { size: 1200, ..pair }]);
    cases.push(Case { pace: Pace::PerSecond(20_000), ..tls });
    cases
}

/// Pairs on a server of two workers, to be placed within one and across both.
pub(crate) fn two_workers() -> Vec<Case> {
    let paces = [saturated(16), saturated(WINDOW), saturated(256), Pace::PerSecond(20_000)];
    paces.map(|pace| Case { pace, ..usual(Route::Pair) }).to_vec()
}

fn saturated(window: u32) -> Pace {
    Pace::Saturated { window }
}

/// With a range of relay ports and with one for all.
pub(crate) fn shared_port() -> Vec<Case> {
    let paces = [saturated(WINDOW), Pace::PerSecond(20_000)];
    let both = |pace| {
        let large = Case { pace, size: 1200, ..usual(Route::Echo) };
        [Case { pace, ..usual(Route::Echo) }, large, Case { pace, ..usual(Route::Pair) }]
    };
    paces.into_iter().flat_map(both).collect()
}

/// 50 allocations, 160 bytes, as calls send sound.
fn usual(route: Route) -> Case {
    Case {
        route,
        framing: Framing::Channel,
        transport: Transport::Udp,
        pace: saturated(WINDOW),
        allocations: 50,
        size: 160,
        ports: Ports::Range,
        workers: Workers::One,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_case_is_measured_twice() {
        let cases = [standard(), other_ways(), under_tls()].concat();
        for (number, case) in cases.iter().enumerate() {
            let same = cases.iter().position(|other| describe(other) == describe(case));
            assert_eq!(same, Some(number), "{case}");
        }
    }

    #[test]
    fn every_window_and_rate_stands_beside_the_usual_case() {
        let cases = standard();
        for pace in WINDOWS.map(saturated).into_iter().chain(RATES.map(Pace::PerSecond)) {
            for route in [Route::Echo, Route::Pair] {
                assert!(cases.contains(&Case { pace, ..usual(route) }), "{pace:?} {route:?}");
            }
        }
    }

    #[test]
    fn the_window_has_a_column_of_its_own() {
        let column = |pace| describe(&Case { pace, ..usual(Route::Echo) })[3..5].join(" ");
        assert_eq!(COLUMNS[3..5], ["load", "window"]);
        assert_eq!(column(saturated(16)), "saturated 16");
        assert_eq!(column(Pace::PerSecond(2000)), "2000/s -");
        let line = Case { pace: saturated(16), ..usual(Route::Echo) }.to_string();
        assert!(line.ends_with("saturated, window 16, allocations 50, bytes 160"), "{line}");
    }
}
