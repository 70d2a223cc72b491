//! What a command tells: results to stdout, everything else to stderr.
//!
//! With `--json` stdout carries one JSON object a line, each with an `event`,
//! and nothing else; a person gets sentences and a progress bar instead.

use std::borrow::Cow;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

/// Least time between two progress lines of `--json`.
const JSON_INTERVAL: Duration = Duration::from_millis(200);

/// Time between two progress lines where there is no terminal to draw a bar on.
const LOG_INTERVAL: Duration = Duration::from_secs(30);

/// Says things in the form that was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reporter {
    json: bool,
}

impl Reporter {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    /// A result: `text` for a person, `fields` for a program.
    pub(super) fn result(self, event: &str, fields: Value, text: &str) {
        if self.json {
            self.event(event, fields);
        } else {
            print_line(text);
        }
    }

    /// Something that a program wants to know and a person sees otherwise.
    pub(super) fn event(self, event: &str, fields: Value) {
        if !self.json {
            return;
        }
        let mut line = json!({ "event": event });
        if let (Some(line), Value::Object(fields)) = (line.as_object_mut(), fields) {
            line.extend(fields);
        }
        print_line(&line.to_string());
    }

    /// A sentence about what is going on.
    pub(super) fn status(self, text: &str) {
        if self.json {
            self.event("status", json!({ "message": text }));
        } else {
            print_error_line(text);
        }
    }

    /// A sentence about something that was done differently from what was asked.
    pub(super) fn warning(self, text: &str) {
        self.event("warning", json!({ "message": text }));
        print_error_line(&format!("warning: {text}"));
    }

    /// The sentence that ends a command that failed.
    pub(super) fn error(self, text: &str) {
        self.event("error", json!({ "message": text }));
        print_error_line(&format!("error: {text}"));
    }

    /// A bar that shows rate and time left.
    pub(super) fn progress(self, total: u64, unit: &'static str) -> Progress {
        let bar = if self.json {
            ProgressBar::hidden()
        } else {
            ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr())
        };
        let template =
            format!("{{bar:32}} {{pos}}/{{len}} {unit}, {{per_sec}}, {{eta}} left  {{wide_msg}}");
        let style = ProgressStyle::with_template(&template)
            .expect("the template is constant and valid")
            .progress_chars("━╸─")
            .with_key(
                "per_sec",
                |state: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
                    // A closed terminal is no reason to fail.
                    write!(out, "{}", rate(state.per_sec())).ok();
                },
            );
        bar.set_style(style);
        Progress {
            reporter: self,
            bar,
            unit,
            started: Instant::now(),
            first_done: None,
            last_line: Instant::now(),
        }
    }
}

/// The rate of slow work is easier to read turned round.
fn rate(per_sec: f64) -> String {
    if per_sec >= 1.0 || per_sec <= 0.0 {
        format!("{per_sec:.1}/s")
    } else {
        format!("{:.1} s each", 1.0 / per_sec)
    }
}

/// How far a long command is.
pub(super) struct Progress {
    reporter: Reporter,
    bar: ProgressBar,
    unit: &'static str,
    started: Instant,
    /// What was done when the first report came, which a resumed run starts from.
    first_done: Option<u64>,
    last_line: Instant,
}

impl Progress {
    /// Shows that `done` of `total` steps are done, with a note beside the bar.
    pub(super) fn show(&mut self, done: u64, total: u64, note: &str) {
        let first_done = *self.first_done.get_or_insert(done.saturating_sub(1));
        self.bar.set_length(total);
        if !note.is_empty() {
            self.bar.set_message(note.to_owned());
        }
        self.bar.set_position(done);
        let interval = if self.reporter.json {
            JSON_INTERVAL
        } else {
            LOG_INTERVAL
        };
        if self.last_line.elapsed() < interval && !(self.reporter.json && done == total) {
            return;
        }
        self.last_line = Instant::now();
        let elapsed_secs = self.started.elapsed().as_secs_f64();
        let here = done.saturating_sub(first_done).max(1) as f64;
        let remaining_secs = elapsed_secs / here * total.saturating_sub(done) as f64;
        if self.reporter.json {
            let fields = json!({
                "done": done,
                "total": total,
                "elapsed_secs": elapsed_secs,
                "remaining_secs": remaining_secs,
            });
            self.reporter.event("progress", fields);
        } else if !std::io::stderr().is_terminal() {
            let left = HumanDuration(Duration::from_secs_f64(remaining_secs));
            let separator = if note.is_empty() { "" } else { ", " };
            let unit = self.unit;
            print_error_line(&format!(
                "{done}/{total} {unit}, {left} left{separator}{note}"
            ));
        }
    }

    /// Begins where a resumed run goes on, so that the rate is that of this run.
    pub(super) fn start_at(&mut self, done: u64, total: u64) {
        self.first_done = Some(done);
        self.started = Instant::now();
        self.bar.set_length(total);
        self.bar.set_position(done);
        self.bar.reset_eta();
    }

    /// Prints a line above the bar that a program is told in another way.
    pub(super) fn tell(&self, text: &str) {
        if !self.reporter.json {
            self.say(text);
        }
    }

    /// Prints a sentence above the bar.
    pub(super) fn say(&self, text: &str) {
        self.above(|| self.reporter.status(text));
    }

    /// Does something that prints, with the bar out of its way.
    pub(super) fn above<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    /// Prints a warning above the bar.
    pub(super) fn warn(&self, text: &str) {
        self.above(|| self.reporter.warning(text));
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn print_line(text: &str) {
    // Whoever read our output may be gone (`velatura info | head`): no panic.
    writeln!(std::io::stdout().lock(), "{}", printable(text)).ok();
}

fn print_error_line(text: &str) {
    writeln!(std::io::stderr().lock(), "{}", printable(text)).ok();
}

/// A text without signs that a terminal obeys: names out of files are anybody's.
fn printable(text: &str) -> Cow<'_, str> {
    let obeys = |sign: char| sign.is_control() && sign != '\n' && sign != '\t';
    match text.contains(obeys) {
        true => text.replace(obeys, "\u{fffd}").into(),
        false => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_out_of_files_do_not_command_the_terminal() {
        assert_eq!(printable("a\n\tb é 日"), "a\n\tb é 日");
        assert_eq!(
            printable("\u{1b}[31mred\u{7}\u{9b}"),
            "\u{fffd}[31mred\u{fffd}\u{fffd}"
        );
    }

    #[test]
    fn slow_rates_are_turned_round() {
        assert_eq!(rate(12.34), "12.3/s");
        assert_eq!(rate(0.25), "4.0 s each");
        assert_eq!(rate(0.0), "0.0/s");
    }
}
