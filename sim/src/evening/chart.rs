//! The evening as a picture: how long people waited, by whom they sought, and how many were there.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use super::figures::percentile;
use super::{Class, Crowd, Outcome};

/// Made for a telephone held upright: its units are a little less than pixels there.
const WIDTH: f64 = 400.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = WIDTH - 12.0;
/// Where each part is, from above.
const WAITS: [f64; 2] = [76.0, 276.0];
const CROWD: [f64; 2] = [330.0, 430.0];
const LEGEND: f64 = 478.0;
const ROW: f64 = 24.0;
const FIRST_HOUR: u64 = 19;
const HOURS: u64 = 5;
const HOUR: f64 = 3600.0;
/// Waits that began within this time of each other make one point, if they are at least so many.
const BIN: u64 = 20 * 60;
const FEWEST: usize = 5;
/// The axis of waits: powers of ten of a second, from a tenth to beyond what the server allows.
const DECADES: [(f64, &str); 4] = [(0.1, "0.1 s"), (1.0, "1 s"), (10.0, "10 s"), (100.0, "100 s")];
const SHORTEST: f64 = 0.05;
const LONGEST: f64 = 150.0;

/// Shapes differ as colours do: not everybody sees the latter.
const LINES: [&str; 6] = ["", "7 3", "2 3", "10 3 2 3", "5 2 1 2", "1 4"];

const STYLE: &str = "
  svg { --paper: #fff; --ink: #1f2328; --faint: #59636e; --grid: #d1d9e0;
    --c0: #cf222e; --c1: #8250df; --c2: #0969da; --c3: #1a7f37; --c4: #9a6700; --c5: #59636e }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #0d1117; --ink: #f0f6fc; --faint: #9198a1; --grid: #3d444d;
      --c0: #ff7b72; --c1: #d2a8ff; --c2: #79c0ff; --c3: #7ee787; --c4: #e3b341; --c5: #9198a1 }
  }
  text { font: 12px system-ui, sans-serif; fill: var(--ink) }
  .title { font-size: 16px; font-weight: 600 }
  .faint { fill: var(--faint) }
  .end { text-anchor: end }
  .middle { text-anchor: middle }
  .grid { stroke: var(--grid); stroke-width: 1 }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round }
";

/// Whom the lines are of.
const GROUPS: [&str; 6] = [
    "men who seek women",
    "women who seek men",
    "all other men",
    "all other women",
    "buddies only",
    "a pool, by rating",
];

fn group(class: &str) -> usize {
    match class.split_once(": ").expect("a mode and the rest") {
        ("buddies", _) => 4,
        ("global" | "buddies_first", "man seeks woman") => 0,
        ("global" | "buddies_first", "woman seeks man") => 1,
        ("global" | "buddies_first", rest) if rest.starts_with("man") => 2,
        ("global" | "buddies_first", _) => 3,
        _ => 5,
    }
}

impl Outcome {
    /// A picture of it, as SVG: light or dark as its reader likes, and with a description of what it shows.
    pub fn chart(&self) -> String {
        let mut groups: [Class; GROUPS.len()] = Default::default();
        for (name, class) in &self.figures.classes {
            let group = &mut groups[group(name)];
            group.matched.extend(&class.matched);
            group.in_vain += class.in_vain;
        }
        let rows: Vec<Row> =
            GROUPS.iter().zip(&groups).map(|(name, of)| Row::new(name, of)).collect();
        let height = LEGEND + ROW * (rows.len() as f64 + 1.0);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
             aria-labelledby=\"title desc\">\n<title id=\"title\">Waiting for a partner, from {FIRST_HOUR}:00 \
             to midnight</title>\n<desc id=\"desc\">{}</desc>\n<style>{STYLE}</style>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"var(--paper)\"/>\n",
            self.description(&rows)
        );
        let people = thousands(self.evening.people);
        text(&mut svg, 12.0, 24.0, "title", "Waiting for a partner");
        let subtitle = format!("{people} people in an evening, nine men to a woman");
        text(&mut svg, 12.0, 42.0, "faint", &subtitle);
        text(&mut svg, 12.0, 62.0, "", "Median wait of those who were matched");
        waits(&mut svg, &groups);
        crowd(&mut svg, &self.figures.crowd);
        legend(&mut svg, &rows);
        svg + "</svg>\n"
    }

    fn description(&self, rows: &[Row]) -> String {
        let mut text = format!(
            "Of {} people who come between {FIRST_HOUR}:00 and 23:00, at most {} wait at a time and {} talk.",
            thousands(self.evening.people),
            most(&self.figures.crowd, |crowd| crowd.waiting),
            most(&self.figures.crowd, |crowd| crowd.talking),
        );
        for Row { name, median, most, in_vain } in rows {
            let _ = write!(
                text,
                " Of {name}, half of those who were matched waited {median} at most, nine tenths {most}; \
                 {in_vain} of the waits were in vain."
            );
        }
        text
    }
}

/// What the legend says of a line.
struct Row {
    name: &'static str,
    median: String,
    most: String,
    in_vain: String,
}

impl Row {
    fn new(name: &'static str, of: &Class) -> Self {
        let seconds = |time: Duration| match time.as_secs_f64() {
            time if time < 9.95 => format!("{time:.1} s"),
            time => format!("{time:.0} s"),
        };
        let [median, most] =
            [50, 90].map(|percent| of.percentile(percent).map_or("–".into(), seconds));
        let all = of.matched.len() as u64 + of.in_vain;
        let in_vain = (of.in_vain * 100).checked_div(all).unwrap_or(0);
        Self { name, median, most, in_vain: format!("{in_vain} %") }
    }
}

fn waits(svg: &mut String, groups: &[Class]) {
    let [top, bottom] = WAITS;
    let part = |seconds: f64| (seconds.max(SHORTEST) / SHORTEST).ln() / (LONGEST / SHORTEST).ln();
    let y = |seconds: f64| bottom - part(seconds).min(1.0) * (bottom - top);
    for (seconds, label) in DECADES {
        line(svg, y(seconds), label);
    }
    hours(svg, [top, bottom]);
    // What most people look for is drawn last, and so on top.
    for (n, class) in groups.iter().enumerate().rev() {
        let mut bins: BTreeMap<u64, Vec<Duration>> = BTreeMap::new();
        for (began, waited) in &class.matched {
            bins.entry(began.as_secs() / BIN).or_default().push(*waited);
        }
        bins.retain(|_, waits| waits.len() >= FEWEST);
        let mut last = None;
        let mut path = String::new();
        for (bin, waits) in bins {
            let median = percentile(waits, 50).expect("it has some").as_secs_f64();
            let how = if last.is_some_and(|last| last + 1 == bin) { 'L' } else { 'M' };
            let at = (bin as f64 + 0.5) * BIN as f64;
            let _ = write!(path, "{how}{:.1} {:.1}", x(at), y(median));
            if how == 'M' {
                // One that stands alone is a dot.
                path.push_str("h0");
            }
            last = Some(bin);
        }
        draw(svg, n, &path);
    }
}

fn crowd(svg: &mut String, crowd: &[Crowd]) {
    let [top, bottom] = CROWD;
    let most = most(crowd, |crowd| crowd.waiting.max(crowd.talking)).max(1);
    let step = [1, 2, 5].into_iter().cycle().zip((0..).map(|n| 10_usize.pow(n / 3)));
    let step = step.map(|(digit, power)| digit * power).find(|step| most / step < 4);
    let step = step.expect("there is a bigger one");
    let end = (most.div_ceil(step) * step) as f64;
    let y = |count: usize| bottom - count as f64 / end * (bottom - top);
    let title = top - 14.0;
    text(svg, 12.0, title, "", "How many there are");
    for count in (0..=most.div_ceil(step)).map(|n| n * step) {
        line(svg, y(count), &thousands(count));
    }
    hours(svg, [top, bottom]);
    let counts: [fn(&Crowd) -> usize; 2] = [|crowd| crowd.talking, |crowd| crowd.waiting];
    for (n, (count, name)) in counts.into_iter().zip(["in a call", "waiting"]).enumerate() {
        let mut path = String::new();
        for of in crowd.iter().filter(|of| of.at.as_secs() <= HOURS * 3600) {
            let how = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{how}{:.1} {:.1}", x(of.at.as_secs_f64()), y(count(of)));
        }
        draw(svg, [2, 0][n], &path);
        let at = RIGHT - [190.0, 84.0][n];
        draw(svg, [2, 0][n], &format!("M{at} {:.1}h24", title - 4.0));
        text(svg, at + 32.0, title, "", name);
    }
}

fn legend(svg: &mut String, rows: &[Row]) {
    let columns = [RIGHT - 92.0, RIGHT - 46.0, RIGHT];
    let heads = ["median", "p90", "in vain"];
    for (at, head) in columns.into_iter().zip(heads) {
        text(svg, at, LEGEND, "faint end", head);
    }
    for (n, Row { name, median, most, in_vain }) in rows.iter().enumerate() {
        let y = LEGEND + ROW * (n as f64 + 1.0);
        draw(svg, n, &format!("M12 {:.1}h24", y - 4.0));
        text(svg, 42.0, y, "", name);
        for (at, cell) in columns.into_iter().zip([median, most, in_vain]) {
            text(svg, at, y, "end", cell);
        }
    }
}

fn hours(svg: &mut String, [top, bottom]: [f64; 2]) {
    for hour in 0..=HOURS {
        let at = x(hour as f64 * HOUR);
        let _ = writeln!(svg, "<path class=\"grid\" d=\"M{at:.1} {top}V{bottom}\"/>");
        let class = if hour == HOURS { "faint end" } else { "faint middle" };
        let at = if hour == HOURS { RIGHT } else { at };
        text(svg, at, bottom + 16.0, class, &format!("{}:00", FIRST_HOUR + hour));
    }
}

fn line(svg: &mut String, y: f64, label: &str) {
    let _ = writeln!(svg, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>");
    text(svg, LEFT - 6.0, y + 4.0, "faint end", label);
}

fn draw(svg: &mut String, n: usize, path: &str) {
    let dashes = LINES[n];
    let _ = writeln!(
        svg,
        "<path class=\"line\" stroke=\"var(--c{n})\" stroke-dasharray=\"{dashes}\" d=\"{path}\"/>"
    );
}

fn text(svg: &mut String, x: f64, y: f64, class: &str, words: &str) {
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{words}</text>");
}

fn x(seconds: f64) -> f64 {
    LEFT + seconds / (HOURS as f64 * HOUR) * (RIGHT - LEFT)
}

fn most(crowd: &[Crowd], count: impl Fn(&Crowd) -> usize) -> usize {
    crowd.iter().map(count).max().unwrap_or(0)
}

fn thousands(number: usize) -> String {
    match (number / 1000, number % 1000) {
        (0, rest) => rest.to_string(),
        (thousands, rest) => format!("{thousands},{rest:03}"),
    }
}
